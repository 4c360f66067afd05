import { useDeferredValue, useState } from "react";
import { Link } from "react-router";
import { useBatchLimit } from "../api/batch";
import { idOf } from "../api/client";
import { useAccount, usePhoneUsers, type PhoneUserRow } from "../api/queries";
import { useSession } from "../session/hooks";
import { Button, Search } from "../ui/controls";
import { counted, daysLeft, formatTime } from "../ui/format";
import { Empty, Problem, Waiting } from "../ui/notice";
import { SelectedCount } from "../ui/limit";
import { useSelection } from "../ui/selection";
import { DataTable, type Column } from "../ui/table";
import { useTitle } from "../ui/title";
import { BatchDialog, type BatchKind } from "./phone-users/batch";

const keyOf = (row: PhoneUserRow) => row.name;
const labelOf = (row: PhoneUserRow) => `Select ${row.displayName}`;

/** Phone users that can be restored for 30 days. */
export default function Trash() {
  useTitle("Trash");
  const [query, setQuery] = useState("");
  const [task, setTask] = useState<{ kind: BatchKind; rows: PhoneUserRow[] } | null>(null);
  const list = usePhoneUsers({ filter: "state = TRASHED", showDeleted: true, query: useDeferredValue(query.trim()) });
  const most = useBatchLimit();
  const { selection, chosen, clear, keepFirst } = useSelection(most, keyOf, labelOf, list.rows);
  const off = useAccount().data?.policy?.softDelete === false;
  const mayChange = !useSession()?.operator;
  const columns: Column<PhoneUserRow>[] = [
    {
      id: "name",
      header: "Name",
      className: "name broad",
      cell: (row) => (
        <div className="two-lines">
          <Link to={`/phone-system/users/${idOf(row.name)}`}>{row.displayName}</Link>
          <span className="muted wide" title={row.email}>
            {row.email}
          </span>
          <span className="muted narrow-only">
            <span className="number">{row.extensionNumber}</span>, {daysLeft(row.purgeTime)}
          </span>
        </div>
      ),
    },
    { id: "extension", header: "Extension kept", className: "number wide", cell: (row) => row.extensionNumber },
    { id: "since", header: "In the trash since", className: "time wide", cell: (row) => formatTime(row.deleteTime) },
    {
      id: "left",
      header: "Time left",
      className: "left wide",
      cell: (row) => <span className="badge warn">{daysLeft(row.purgeTime)}</span>,
    },
    {
      id: "actions",
      header: <span className="hidden">Actions</span>,
      className: "actions text",
      cell: (row) =>
        mayChange && (
          <Button
            look="quiet"
            aria-label={`Restore ${row.displayName}`}
            onPress={() => setTask({ kind: "restore", rows: [row] })}
          >
            Restore
          </Button>
        ),
    },
  ];
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Trash</h1>
      </header>
      <p className="lead">Phone users stay here for 30 days with their extension, and are deleted for good after that.</p>
      <div className="toolbar">
        <Search label="Search the trash" value={query} onChange={setQuery} />
        <span className="spring" />
        <span className="count" role="status">
          {list.data ? counted(list.total, "user", "users") : ""}
        </span>
      </div>
      {chosen.length > 0 && (
        <div className="bulk-bar" role="toolbar" aria-label="Selected">
          <SelectedCount count={chosen.length} most={most} onKeep={keepFirst} />
          <Button isDisabled={chosen.length > most} onPress={() => setTask({ kind: "restore", rows: chosen })}>
            Restore
          </Button>
          <Button look="danger" isDisabled={chosen.length > most} onPress={() => setTask({ kind: "delete", rows: chosen })}>
            Delete for good
          </Button>
          <Button look="quiet" onPress={clear}>
            Clear
          </Button>
        </div>
      )}
      <Problem error={list.error} retry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={query ? "Nobody matches" : "The trash is empty"}>
          {!query && off && (
            <p>
              It is not in use: phone users are removed at once. Soft Delete Users, in{" "}
              <Link to="/account/settings">Account Settings</Link>, turns it on.
            </p>
          )}
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label="Trash"
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          selection={mayChange ? selection : undefined}
          rowHeight={56}
        />
      )}
      {task && (
        <BatchDialog
          kind={task.kind}
          rows={task.rows}
          onClose={(done) => {
            setTask(null);
            if (done) {
              clear();
            }
          }}
        />
      )}
    </section>
  );
}
