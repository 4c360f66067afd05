import type { ReactNode } from "react";

export interface PlainColumn<T> {
  header: string;
  cell: (row: T, index: number) => ReactNode;
  number?: boolean;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  rowKey: (row: T) => string | number;
  /** The first one names the row. */
  columns: readonly [PlainColumn<T>, ...PlainColumn<T>[]];
}

/**
 * A table to read, of as many rows as one call is about. On narrow screens each row becomes a block of its own with the headers beside
 * the values, so that nothing has to be scrolled for sideways; the roles are written out because that takes a table its own.
 */
export function PlainTable<T>({ label, rows, rowKey, columns }: Props<T>) {
  const [first, ...others] = columns;
  return (
    <div className="preview" tabIndex={0} role="region" aria-label={label}>
      <table className="plain-table" role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.header} scope="col" role="columnheader">
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row, index) => (
            <tr key={rowKey(row)} role="row">
              <th scope="row" role="rowheader" className={first.number ? "number" : undefined}>
                {first.cell(row, index)}
              </th>
              {others.map((column) => (
                <td
                  key={column.header}
                  role="cell"
                  className={column.number ? "number" : undefined}
                  data-header={column.header}
                >
                  {column.cell(row, index)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
