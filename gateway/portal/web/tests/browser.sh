#!/usr/bin/env bash
# Makes sure that there is a Chromium to test with: $CHROMIUM, one on the PATH, or Debian's, installed where it may.
set -euo pipefail
if [[ -n "${CHROMIUM:-}" ]] || command -v chromium >/dev/null; then
  exit 0
fi
if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
  echo "installing Debian's chromium for the portal's tests"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-liberation2 >/dev/null
  exit 0
fi
echo "the portal's tests need Chromium: install it, or name one in CHROMIUM" >&2
exit 1
