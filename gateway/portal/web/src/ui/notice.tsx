import { useEffect, useRef, type ReactNode } from "react";
import { inWords, problemsByItem } from "../api/refusal";
import { Button } from "./controls";

interface ProblemProps {
  error: unknown;
  /** What the items of a batch are called, in their order. */
  names?: string[];
  retry?: (() => void) | undefined;
  /** Whom it is about, where the place does not say it. */
  about?: string | undefined;
}

/** A refusal in words. It is read out at once, and brought into view. */
export function Problem({ error, names, retry, about }: ProblemProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void box.current?.scrollIntoView({ block: "nearest" });
  }, [error]);
  if (!error) {
    return null;
  }
  const items = problemsByItem(error, names);
  return (
    <div className="notice danger" role="alert" ref={box}>
      <p>
        {about && <b>{about}: </b>}
        {inWords(error)}
      </p>
      {items.length > 0 && (
        <ul>
          {items.slice(0, 10).map((item) => (
            <li key={item}>{item}</li>
          ))}
          {items.length > 10 && <li>and {items.length - 10} more</li>}
        </ul>
      )}
      {retry && <Button onPress={retry}>Try again</Button>}
    </div>
  );
}

export function Notice({ look = "info", children }: { look?: "info" | "warn" | "ok"; children: ReactNode }) {
  return <div className={`notice ${look}`}>{children}</div>;
}

/** What a page shows while it waits. It stays empty for a moment, so that quick answers do not flicker. */
export function Waiting({ label = "Loading" }: { label?: string }) {
  return (
    <p className="waiting" role="status">
      {label} …
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}
