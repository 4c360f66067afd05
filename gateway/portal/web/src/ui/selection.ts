import { useCallback, useMemo, useState } from "react";
import type { Selection } from "./table";

/** A selection of rows that outlives scrolling and searching, of as many as one call takes. */
export function useSelection<T>(
  most: number,
  keyOf: (row: T) => string,
  label: (row: T) => string,
  rows: T[],
  canSelect?: (row: T) => boolean,
  before: T[] = [],
) {
  const [chosen, setChosen] = useState<ReadonlyMap<string, T>>(() => new Map(before.map((row) => [keyOf(row), row])));
  const clear = useCallback(() => setChosen(new Map()), []);
  const selection = useMemo((): Selection<T> => {
    const selectable = (canSelect ? rows.filter(canSelect) : rows).slice(0, most);
    const all = selectable.length > 0 && selectable.every((row) => chosen.has(keyOf(row)));
    return {
      has: (row) => chosen.has(keyOf(row)),
      toggle: (row) =>
        setChosen((old) => {
          const next = new Map(old);
          if (!next.delete(keyOf(row)) && next.size < most) {
            next.set(keyOf(row), row);
          }
          return next;
        }),
      toggleAll: () =>
        setChosen((old) => {
          // Where no more can be selected, the box at the top can only take the selection back.
          if (all || old.size >= most) {
            return new Map();
          }
          const next = new Map(old);
          for (const row of selectable) {
            if (next.size < most) {
              next.set(keyOf(row), row);
            }
          }
          return next;
        }),
      all,
      some: chosen.size > 0,
      label,
      full: chosen.size >= most,
      canSelect: (row) => (chosen.has(keyOf(row)) || chosen.size < most) && (!canSelect || canSelect(row)),
    };
  }, [most, rows, chosen, keyOf, label, canSelect]);
  const keepFirst = useCallback((count: number) => setChosen((old) => new Map([...old].slice(0, count))), []);
  return { selection, chosen: useMemo(() => [...chosen.values()], [chosen]), clear, keepFirst };
}
