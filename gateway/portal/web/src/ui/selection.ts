import { useCallback, useMemo, useState } from "react";
import type { Selection } from "./table";

/** What one call takes at most. */
export const mostAtATime = 100;

/** A selection of up to 100 rows that outlives scrolling and searching. */
export function useSelection<T>(
  keyOf: (row: T) => string,
  label: (row: T) => string,
  rows: T[],
  canSelect?: (row: T) => boolean,
  before: T[] = [],
) {
  const [chosen, setChosen] = useState<ReadonlyMap<string, T>>(() => new Map(before.map((row) => [keyOf(row), row])));
  const clear = useCallback(() => setChosen(new Map()), []);
  const selection = useMemo((): Selection<T> => {
    const selectable = (canSelect ? rows.filter(canSelect) : rows).slice(0, mostAtATime);
    const all = selectable.length > 0 && selectable.every((row) => chosen.has(keyOf(row)));
    return {
      has: (row) => chosen.has(keyOf(row)),
      toggle: (row) =>
        setChosen((old) => {
          const next = new Map(old);
          if (!next.delete(keyOf(row)) && next.size < mostAtATime) {
            next.set(keyOf(row), row);
          }
          return next;
        }),
      toggleAll: () =>
        setChosen((old) => {
          if (all) {
            return new Map();
          }
          const next = new Map(old);
          for (const row of selectable) {
            if (next.size < mostAtATime) {
              next.set(keyOf(row), row);
            }
          }
          return next;
        }),
      all,
      some: chosen.size > 0,
      label,
      canSelect: (row) => (chosen.has(keyOf(row)) || chosen.size < mostAtATime) && (!canSelect || canSelect(row)),
    };
  }, [rows, chosen, keyOf, label, canSelect]);
  return { selection, chosen: useMemo(() => [...chosen.values()], [chosen]), clear };
}
