import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

/**
 * The part of the address after the "#", which browsers send to nobody. Another link that is opened in the same tab changes nothing but
 * this, and loads no page.
 */
export function useLink(): string {
  return useSyncExternalStore(subscribe, () => location.hash.slice(1));
}
