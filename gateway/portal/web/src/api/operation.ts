import { useEffect, useState } from "react";
import { currentToken } from "../session/store";
import { api, ask } from "./client";
import { Refusal } from "./refusal";
import type { components } from "./schema";

type Operation = components["schemas"]["Operation"];
export type ImportRow = components["schemas"]["ImportRow"];

/** How far an import is. The document has it only as an Any, so its fields are named here as the proto file has them. */
export interface ImportMetadata {
  account: string;
  rowCount: number;
  processedCount: number;
  succeededCount: number;
  unchangedCount: number;
  failedCount: number;
  warningCount: number;
  rowsPerSecond: number;
  validateOnly: boolean;
  cancelRequested: boolean;
  createTime?: string;
  endTime?: string;
  errors: ImportRow[];
}

export interface ImportProgress {
  name: string;
  done: boolean;
  metadata: ImportMetadata;
  /** What ended it before its end: cancelled, or a fault. */
  error?: { code?: number; message?: string };
}

function progressOf(operation: Operation): ImportProgress {
  const summary = (operation.response as { summary?: ImportMetadata } | undefined)?.summary;
  return {
    name: operation.name,
    done: operation.done,
    metadata: summary ?? (operation.metadata as unknown as ImportMetadata),
    ...(operation.error && { error: operation.error }),
  };
}

const pause = 1000;

/** Follows an import: as a stream, and by asking again where the stream breaks. */
export function useImport(id: string | undefined) {
  const [state, setState] = useState<{ id?: string; progress?: ImportProgress; error?: unknown }>({});
  useEffect(() => {
    if (!id) {
      return;
    }
    const ended = new AbortController();
    const tell = (progress: ImportProgress) => setState({ id, progress });
    follow(id, ended.signal, tell).catch((error: unknown) => {
      if (!ended.signal.aborted) {
        setState((old) => ({ ...old, id, error }));
      }
    });
    return () => ended.abort();
  }, [id]);
  return state.id === id ? state : {};
}

async function follow(id: string, signal: AbortSignal, tell: (progress: ImportProgress) => void): Promise<void> {
  for (;;) {
    const progress = progressOf(
      await ask(api.GET("/v1/operations/{operation}", { params: { path: { operation: id } }, signal })),
    );
    tell(progress);
    if (progress.done) {
      return;
    }
    try {
      for await (const next of watch(id, signal)) {
        tell(next);
        if (next.done) {
          return;
        }
      }
    } catch (error) {
      if (signal.aborted) {
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** The operation's stream: one JSON object a line. */
async function* watch(id: string, signal: AbortSignal): AsyncGenerator<ImportProgress> {
  const answer = await fetch(`/v1/operations/${encodeURIComponent(id)}:watch`, {
    headers: { Authorization: `Bearer ${currentToken()}` },
    cache: "no-store",
    signal,
  });
  if (!answer.ok || !answer.body) {
    throw Refusal.of(null, answer.status);
  }
  let rest = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter(Boolean)) {
      const { result } = JSON.parse(line) as { result?: Operation };
      if (!result) {
        return; // The stream broke off; the caller asks again.
      }
      yield progressOf(result);
    }
  }
}

/** Fetches a file of the API and has the browser save it. */
export async function download(path: string, fileName: string): Promise<void> {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${currentToken()}` }, cache: "no-store" }).catch(() => {
    throw Refusal.offline();
  });
  if (!answer.ok) {
    throw Refusal.of(await answer.json().catch(() => null), answer.status);
  }
  const address = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(address);
}
