import type { ReactNode } from "react";
import { Button } from "./controls";
import { Notice } from "./notice";

interface Props {
  count: number;
  /** How many go at a time. */
  most: number;
  /** Keeps that many of what is selected, and gives up the rest. */
  onKeep: (count: number) => void;
}

/** "3 selected", and when no more can be. Where too many are, because the limit was learnt since, the first of them can be kept. */
export function SelectedCount({ count, most, onKeep }: Props) {
  return (
    <>
      <span role="status">{count < most ? `${count} selected` : `${count} selected, at most ${most} at a time`}</span>
      {count > most && <Button onPress={() => onKeep(most)}>Keep the first {most}</Button>}
    </>
  );
}

/** The same in a dialog where things are chosen: how many may be, and what to do about more. */
export function LimitNote({ id, count, most, onKeep, more }: Props & { id: string; more: ReactNode }) {
  return (
    <div id={id} aria-live="polite">
      {count < most ? (
        <p className="hint">
          Up to {most} at a time. {more}
        </p>
      ) : (
        <Notice look={count > most ? "warn" : "info"}>
          <p>
            {count > most
              ? `${count} are selected, but only ${most} go at a time.`
              : `${most} are selected, and no more go at a time.`}{" "}
            {more}
          </p>
          {count > most && <Button onPress={() => onKeep(most)}>Keep the first {most}</Button>}
        </Notice>
      )}
    </div>
  );
}
