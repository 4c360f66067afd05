import { useDeferredValue, useState } from "react";
import { useBatchLimit } from "../../api/batch";
import { useDirectory, useRooms } from "../../api/queries";
import { Button, Search } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
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
    <Chooser {...props} title="Choose users" search="Search by name or e-mail" query={query} onQuery={setQuery} list={list} />
  );
}

/** Chooses rooms that have no licence yet. */
export function ChooseRooms(props: Props) {
  const [query, setQuery] = useState("");
  const list = useRooms(useDeferredValue(query.trim()));
  const rows = list.rows.filter((room) => !room.phoneUser);
  const free = { ...list, rows, total: rows.length + (list.hasNextPage ? 1 : 0) };
  return <Chooser {...props} title="Choose rooms" search="Search rooms" query={query} onQuery={setQuery} list={free} />;
}

interface List {
  rows: Assignee[];
  total: number;
  need: (index: number) => void;
  isPending: boolean;
  error: unknown;
}

function Chooser(
  props: Props & { title: string; search: string; query: string; onQuery: (query: string) => void; list: List },
) {
  const { list } = props;
  const most = useBatchLimit();
  const { selection, chosen } = useSelection(most, keyOf, labelOf, list.rows, undefined, props.chosen);
  const columns: Column<Assignee>[] = [
    { id: "name", header: "Name", cell: (row) => row.displayName },
    { id: "email", header: "E-mail", className: "wide", cell: (row) => row.email },
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
          <Button look="primary" isDisabled={chosen.length === 0} onPress={() => props.onConfirm(chosen)}>
            Confirm
          </Button>
        </>
      }
    >
      <Search label={props.search} value={props.query} onChange={props.onQuery} autoFocus />
      <Problem error={list.error} />
      {list.isPending && <Waiting />}
      {!list.isPending && list.rows.length === 0 && (
        <Empty title={props.query ? "Nobody matches" : "Everybody has a licence already"}>
          <p>People are added under User Management, rooms with the phone system.</p>
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
          rowHeight={44}
        />
      )}
    </ModalDialog>
  );
}
