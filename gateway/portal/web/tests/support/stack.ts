import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where everything is, as the local stack writes it to its ready file. */
export interface StackInfo {
  gateway: string;
  tokenURL: string;
  mail: string;
}

const startTimeout = 180_000;

/** Starts the local stack on free ports, in memory, and hands its addresses to the tests. Returns what stops it. */
export default async function start(): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), "portal-test-"));
  const ready = join(dir, "ready.json");
  const web = fileURLToPath(new URL("../..", import.meta.url));
  const command = process.env["SWITCHBOARD_LOCAL"] ?? join(web, "../../../.build/switchboard-local");
  const stack = spawn(
    command,
    ["up", "--addr", "127.0.0.1:0", "--data", "", "--ready-file", ready, "--portal", join(web, "dist")],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  stack.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-20_000)));
  const ended = new Promise<void>((resolve) => stack.once("close", () => resolve()));
  const info = await new Promise<StackInfo>((resolve, reject) => {
    const deadline = Date.now() + startTimeout;
    stack.once("error", reject);
    const look = setInterval(() => {
      try {
        resolve(JSON.parse(readFileSync(ready, "utf8")) as StackInfo);
        clearInterval(look);
      } catch {
        if (stack.exitCode !== null || Date.now() > deadline) {
          clearInterval(look);
          reject(new Error(`the local stack did not start:\n${said}`));
        }
      }
    }, 100);
  });
  process.env["STACK"] = JSON.stringify(info);
  return async () => {
    stack.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
}

export function stackInfo(): StackInfo {
  return JSON.parse(process.env["STACK"] ?? "{}") as StackInfo;
}
