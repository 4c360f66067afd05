import type { ReactNode } from "react";
import { Label, Meter as AriaMeter } from "react-aria-components";

interface Props {
  label: ReactNode;
  used: number;
  of: number;
  words: string;
}

/** How much of something is used. */
export function Meter({ label, used, of, words }: Props) {
  const share = of > 0 ? Math.min(1, used / of) : 0;
  return (
    <AriaMeter className="meter" value={share * 100} valueLabel={words}>
      <div className="meter-head">
        <Label>{label}</Label>
        <span className="meter-words">{words}</span>
      </div>
      <div className="meter-track">
        <div className={share >= 0.95 ? "meter-bar full" : "meter-bar"} style={{ width: `${share * 100}%` }} />
      </div>
    </AriaMeter>
  );
}
