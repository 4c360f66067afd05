import { useSyncExternalStore } from "react";
import { Refusal } from "./refusal";

// What one call takes is configuration of the service. It tells when it refuses; until then this is what it takes by default.
let limit = 100;
const listeners = new Set<() => void>();

/** A call about many phone users. What its refusal says of the size is remembered. */
export async function askBatch<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const told = error instanceof Refusal && error.reason === "BATCH_TOO_LARGE" ? Number(error.metadata["limit"]) : 0;
    if (told > 0) {
      limit = told;
      listeners.forEach((listener) => listener());
    }
    throw error;
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How many phone users one call takes at most, as far as is known. */
export function useBatchLimit(): number {
  return useSyncExternalStore(subscribe, () => limit);
}
