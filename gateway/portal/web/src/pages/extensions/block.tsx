import { useEffect, useRef, useState, type MouseEvent, type PointerEvent } from "react";
import type { Extension, ExtensionLease } from "../../api/client";
import { countStates, looks, type State } from "./states";

const cell = 11;
const gap = 2;

interface Props {
  first: string;
  count: number;
  extensions: Extension[] | undefined;
  leases: ExtensionLease[];
  /** A number was clicked. */
  onPick: (number: string) => void;
}

/** A thousand numbers as one drawing, which costs the browser less than a thousand elements. */
export function Block({ first, count, extensions, leases, onPick }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(canvas);
  const colours = useColourChange();
  const [pointed, setPointed] = useState("");
  const columns = Math.max(10, Math.floor(width / (cell + gap)));
  const rows = Math.ceil(count / columns);
  useEffect(() => {
    if (canvas.current && width > 0) {
      draw(canvas.current, { first, count, columns, rows, width, extensions, leases });
    }
  }, [first, count, columns, rows, width, extensions, leases, colours]);
  const numberAt = ({ nativeEvent }: MouseEvent) => {
    const column = Math.floor(nativeEvent.offsetX / (cell + gap));
    const index = Math.floor(nativeEvent.offsetY / (cell + gap)) * columns + column;
    return column < columns ? extensions?.[index] : undefined;
  };
  const point = (event: PointerEvent) => {
    const e = numberAt(event);
    setPointed(e ? `${e.number}: ${looks[e.state]?.label ?? e.state}` : "");
  };
  const pick = (event: MouseEvent) => {
    const e = numberAt(event);
    if (e) {
      onPick(e.number);
    }
  };
  return (
    <figure className="block">
      <figcaption>
        <span className="number">{first}</span> <span className="muted">{pointed || summary(extensions)}</span>
      </figcaption>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`${count} numbers from ${first}: ${summary(extensions)}`}
        style={{ height: rows * (cell + gap) }}
        onClick={pick}
        onPointerMove={point}
        onPointerLeave={() => setPointed("")}
      />
    </figure>
  );
}

function summary(extensions: Extension[] | undefined): string {
  if (!extensions) {
    return "loading";
  }
  return [...countStates(extensions)].map(([state, n]) => `${n} ${looks[state]?.label ?? state}`).join(", ");
}

interface Drawing extends Omit<Props, "onPick"> {
  columns: number;
  rows: number;
  width: number;
}

function draw(canvas: HTMLCanvasElement, d: Drawing) {
  const scale = window.devicePixelRatio;
  canvas.width = Math.round(d.width * scale);
  canvas.height = Math.round(d.rows * (cell + gap) * scale);
  const context = canvas.getContext("2d");
  if (!context) {
    return;
  }
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colourOf = new Map(Object.entries(looks).map(([state, look]) => [state as State, style.getPropertyValue(look.colour)]));
  const free = colourOf.get("FREE") ?? "";
  for (let i = 0; i < d.count; i++) {
    const x = (i % d.columns) * (cell + gap);
    const y = Math.floor(i / d.columns) * (cell + gap);
    const state = d.extensions?.[i]?.state ?? "FREE";
    context.fillStyle = free;
    context.fillRect(x, y, cell, cell);
    if (state !== "FREE") {
      context.fillStyle = colourOf.get(state) ?? free;
      shape(context, state, x, y);
    }
  }
  context.strokeStyle = style.getPropertyValue("--map-leased");
  context.lineWidth = 1.5;
  for (const lease of d.leases) {
    const from = Math.max(0, Number(lease.from) - Number(d.first));
    const to = Math.min(d.count - 1, Number(lease.to) - Number(d.first));
    for (let i = from; i <= to; i++) {
      const x = (i % d.columns) * (cell + gap);
      const y = Math.floor(i / d.columns) * (cell + gap) + cell + 0.5;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + cell, y);
      context.stroke();
    }
  }
}

/** Each state has a shape besides its colour, for people who do not tell the colours apart. */
function shape(context: CanvasRenderingContext2D, state: State, x: number, y: number) {
  switch (state) {
    case "HELD":
      context.fillRect(x, y + cell / 2, cell, cell / 2);
      break;
    case "RESERVED":
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + cell, y);
      context.lineTo(x, y + cell);
      context.fill();
      break;
    case "QUARANTINED":
      context.beginPath();
      context.arc(x + cell / 2, y + cell / 2, cell / 3, 0, 2 * Math.PI);
      context.fill();
      break;
    default:
      context.fillRect(x, y, cell, cell);
  }
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element.current) {
      return;
    }
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

/** A number that changes when the colours do, since a drawing does not follow style sheets. */
function useColourChange(): number {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const changed = () => setChanges((n) => n + 1);
    const observer = new MutationObserver(changed);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", changed);
    return () => {
      observer.disconnect();
      system.removeEventListener("change", changed);
    };
  }, []);
  return changes;
}
