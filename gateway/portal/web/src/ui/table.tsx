import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useRef, type ReactNode } from "react";
import { Check } from "./controls";

export interface Column<T> {
  id: string;
  header: ReactNode;
  cell: (row: T) => ReactNode;
  /** Class of the cells; "wide" ones are left out on narrow screens. */
  className?: string;
}

export interface Selection<T> {
  has: (row: T) => boolean;
  toggle: (row: T) => void;
  toggleAll: () => void;
  all: boolean;
  some: boolean;
  label: (row: T) => string;
  canSelect?: (row: T) => boolean;
  /** No more can be selected; `fullReason` is the id of the element that says why. */
  full?: boolean;
  fullReason?: string;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  /** How many rows there are in all; those past `rows` are not loaded yet. */
  total: number;
  rowKey: (row: T) => string;
  /** Asks for rows up to this index to be loaded. */
  need?: (index: number) => void;
  selection?: Selection<T>;
  rowHeight?: number;
}

/**
 * A table of any length: only the rows in sight are in the document, and further ones are asked for as they come near. All rows are of
 * one height, so that the scroll bar tells the truth from the beginning.
 */
export function DataTable<T>({ label, columns, rows, total, rowKey, need, selection, rowHeight = 52 }: Props<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const count = Math.max(rows.length, total);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const first = items[0];
  const last = items.at(-1);
  const lastIndex = last?.index ?? 0;
  useEffect(() => {
    need?.(lastIndex);
  }, [need, lastIndex, rows.length]);
  const above = first?.start ?? 0;
  const below = last ? virtual.getTotalSize() - last.end : 0;
  return (
    <div className="table-scroll" ref={scroller} tabIndex={0} role="region" aria-label={label}>
      <table className="data-table" aria-rowcount={count + 1} aria-label={label}>
        <thead>
          <tr aria-rowindex={1}>
            {selection && (
              <th className="check" scope="col">
                <Check
                  label="Select all"
                  checked={selection.all}
                  mixed={selection.some && !selection.all}
                  onChange={selection.toggleAll}
                />
              </th>
            )}
            {columns.map((column) => (
              <th key={column.id} scope="col" className={column.className}>
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Space height={above} />}
          {items.map(({ index, key }) => {
            const row = rows[index];
            return row === undefined ? (
              <tr key={key} aria-rowindex={index + 2} className="row-waiting" style={{ height: rowHeight }}>
                {selection && <td />}
                <td>
                  <span className="skeleton" />
                  <span className="hidden">Loading</span>
                </td>
              </tr>
            ) : (
              <Row key={rowKey(row)} row={row} index={index} height={rowHeight} columns={columns} selection={selection} />
            );
          })}
          {below > 0 && <Space height={below} />}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps<T> {
  row: T;
  index: number;
  height: number;
  columns: Column<T>[];
  selection: Selection<T> | undefined;
}

/** Scrolling draws the table anew at every frame; rows that stay in sight are left as they are. */
const Row = memo(function Row<T>({ row, index, height, columns, selection }: RowProps<T>) {
  return (
    <tr aria-rowindex={index + 2} className={selection?.has(row) ? "selected" : undefined} style={{ height }}>
      {selection && (
        <td className="check">
          <Check
            label={selection.label(row)}
            checked={selection.has(row)}
            disabled={selection.canSelect && !selection.canSelect(row)}
            describedBy={selection.full && !selection.has(row) ? selection.fullReason : undefined}
            onChange={() => selection.toggle(row)}
          />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.id} className={column.className}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}) as <T>(props: RowProps<T>) => ReactNode;

/** Stands for the rows out of sight. Its one cell spans no columns, since narrow screens have fewer of them. */
function Space({ height }: { height: number }) {
  return (
    <tr aria-hidden="true" className="space" style={{ height }}>
      <td />
    </tr>
  );
}
