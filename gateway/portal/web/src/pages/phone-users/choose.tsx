import { useDeferredValue, useId, useMemo, useState } from "react";
import { Link } from "react-router";
import { useBatchLimit } from "../../api/batch";
import { useDirectory, useRooms } from "../../api/queries";
import { Button, Search } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { LimitNote } from "../../ui/limit";
import { Empty, Problem, Waiting } from "../../ui/notice";
import { useSelection } from "../../ui/selection";
import { DataTable, type Column } from "../../ui/table";

/** Somebody or something that can get a phone licence. */
export interface Assignee {
  name: string;
  displayName: string;
  email?: string;
}

interface Props {
  chosen: Assignee[];
  onClose: () => void;
  onConfirm: (chosen: Assignee[]) => void;
}

const keyOf = (row: Assignee) => row.name;
const labelOf = (row: Assignee) => `Select ${row.displayName}`;

/** Chooses people of the directory who have no licence yet. */
export function ChooseUsers(props: Props) {
  const [query, setQuery] = useState("");
  const list = useDirectory({ filter: "licensed = false AND status = ACTIVE", query: useDeferredValue(query.trim()) });
  return (
    <Chooser
      {...props}
      title="Choose users"
      search="Search by name or e-mail"
      none="Everybody has a licence already"
      where="People are added under User Management → Users."
      query={query}
      onQuery={setQuery}
      list={list}
    />
  );
}

/** Chooses rooms that have no licence yet. */
export function ChooseRooms(props: Props) {
  const [query, setQuery] = useState("");
  const list = useRooms(useDeferredValue(query.trim()));
  const rows = list.rows.filter((room) => !room.phoneUser);
  const free = { ...list, rows, total: rows.length + (list.hasNextPage ? 1 : 0) };
  return (
    <Chooser
      {...props}
      title="Choose rooms"
      search="Search rooms"
      none="No room is without a licence"
      where="Rooms are added through the API, by whoever keeps the account’s directory."
      query={query}
      onQuery={setQuery}
      list={free}
    />
  );
}

interface List {
  rows: Assignee[];
  total: number;
  need: (index: number) => void;
  isPending: boolean;
  error: unknown;
}

interface ChooserProps extends Props {
  title: string;
  search: string;
  /** What an empty list says, and where more come from. */
  none: string;
  where: string;
  query: string;
  onQuery: (query: string) => void;
  list: List;
}

function Chooser(props: ChooserProps) {
  const { list } = props;
  const most = useBatchLimit();
  const limit = useId();
  const found = useSelection(most, keyOf, labelOf, list.rows, undefined, props.chosen);
  const { chosen, keepFirst } = found;
  const selection = useMemo(() => ({ ...found.selection, fullReason: limit }), [found.selection, limit]);
  const columns: Column<Assignee>[] = [
    {
      id: "name",
      header: "Name",
      cell: (row) => (
        <div className="two-lines">
          <span>{row.displayName}</span>
          <span className="muted narrow-only">{row.email}</span>
        </div>
      ),
    },
    { id: "email", header: "E-mail", className: "wide", cell: (row) => <span title={row.email}>{row.email}</span> },
  ];
  return (
    <ModalDialog
      title={props.title}
      size="wide"
      onClose={props.onClose}
      footer={
        <>
          <span className="spring" role="status">
            {chosen.length} of at most {most} selected
          </span>
          <Button onPress={props.onClose}>Cancel</Button>
          <Button
            look="primary"
            isDisabled={chosen.length === 0 || chosen.length > most}
            onPress={() => props.onConfirm(chosen)}
          >
            Confirm
          </Button>
        </>
      }
    >
      <Search label={props.search} value={props.query} onChange={props.onQuery} autoFocus />
      <LimitNote
        id={limit}
        count={chosen.length}
        most={most}
        onKeep={keepFirst}
        more={
          <>
            For more at once, use <Link to="/phone-system/import">Import</Link>.
          </>
        }
      />
      <Problem error={list.error} />
      {list.isPending && <Waiting />}
      {!list.isPending && list.rows.length === 0 && (
        <Empty title={props.query ? "Nothing matches" : props.none}>
          <p>{props.where}</p>
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label={props.title}
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          selection={selection}
          rowHeight={48}
        />
      )}
    </ModalDialog>
  );
}
