import type { Extension } from "../../api/client";

export type State = Extension["state"];

export interface Look {
  label: string;
  /** The custom property that holds its colour. */
  colour: string;
}

/** States that a number of a range can be in, in the order of the legend. */
export const looks: Partial<Record<State, Look>> = {
  FREE: { label: "free", colour: "--map-free" },
  ASSIGNED: { label: "assigned", colour: "--map-assigned" },
  HELD: { label: "kept for somebody in the trash", colour: "--map-held" },
  RESERVED: { label: "reserved", colour: "--map-reserved" },
  QUARANTINED: { label: "in quarantine", colour: "--map-quarantined" },
};

/** A run of neighbouring numbers in one state. */
export interface Run {
  from: string;
  to: string;
  count: number;
  state: State;
}

export function runsOf(extensions: Extension[]): Run[] {
  const runs: Run[] = [];
  for (const { number, state } of extensions) {
    const last = runs.at(-1);
    if (last?.state === state) {
      last.to = number;
      last.count++;
    } else {
      runs.push({ from: number, to: number, count: 1, state });
    }
  }
  return runs;
}

export function countStates(extensions: Extension[]): Map<State, number> {
  const counts = new Map<State, number>();
  for (const { state } of extensions) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}

/** Numbers from `first` on, with as many digits. Extensions have at most 10 digits, so they count exactly. */
export function numbersFrom(first: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, "0"));
}
