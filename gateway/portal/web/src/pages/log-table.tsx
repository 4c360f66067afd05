import { Fragment, useMemo, useState } from "react";
import { Link } from "react-router";
import { idOf, type LogEntry } from "../api/client";
import { namesOf, useLog, usePackages, useSites } from "../api/queries";
import { Button } from "../ui/controls";
import { ModalDialog } from "../ui/dialog";
import { formatTime } from "../ui/format";
import { Empty, Problem, Waiting } from "../ui/notice";
import { DataTable, type Column } from "../ui/table";
import { logFacts, logLine, logTitle } from "./log-words";

const keyOf = (row: LogEntry) => row.name;

interface Props {
  filter: string;
  label: string;
  /** The entries are all of one phone user, so that nobody needs to be told whose they are. */
  ofOne?: boolean;
}

export function LogTable({ filter, label, ofOne = false }: Props) {
  const list = useLog(filter);
  const names = useNames();
  const [shown, setShown] = useState<LogEntry | null>(null);
  const columns = useMemo((): Column<LogEntry>[] => {
    const who: Column<LogEntry> = {
      id: "who",
      header: "Phone user",
      className: "who wide",
      cell: (row) => <OnlyThisOne row={row} />,
    };
    return [
      { id: "time", header: "Time", className: "time", cell: (row) => formatTime(row.time) },
      {
        id: "what",
        header: "What",
        cell: (row) => <What row={row} line={logLine(row, names)} named={!ofOne} onShow={() => setShown(row)} />,
      },
      ...(ofOne ? [] : [who]),
      { id: "actor", header: "By", className: "actor wide", cell: (row) => actorName(row.actor) },
    ];
  }, [names, ofOne]);
  return (
    <>
      <Problem error={list.error} retry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={filter ? "Nothing like that has happened" : "Nothing has happened yet"} />
      )}
      {list.rows.length > 0 && (
        <DataTable
          label={label}
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          rowHeight={56}
        />
      )}
      {shown && <EntryDialog row={shown} names={names} onClose={() => setShown(null)} />}
    </>
  );
}

function What(props: { row: LogEntry; line: string; named: boolean; onShow: () => void }) {
  const { row, line } = props;
  return (
    <div className="two-lines">
      <button type="button" className="link" onClick={props.onShow}>
        {logTitle(row)}
      </button>
      <span className="muted">
        {props.named && <span className="narrow-only">{line ? `${row.displayName}: ` : row.displayName}</span>}
        {line}
      </span>
    </div>
  );
}

/** Leads to the entries of that phone user alone. */
function OnlyThisOne({ row, onGo }: { row: LogEntry; onGo?: () => void }) {
  return (
    <Link to={`/account/log?phoneUser=${idOf(row.phoneUser)}`} aria-label={`Only ${row.displayName}`} onClick={onGo}>
      {row.displayName}
    </Link>
  );
}

/** All that an entry says, where a line of the table is too short for it. */
function EntryDialog({ row, names, onClose }: { row: LogEntry; names: ReadonlyMap<string, string>; onClose: () => void }) {
  const facts = logFacts(row, names);
  return (
    <ModalDialog title={logTitle(row)} onClose={onClose} footer={<Button onPress={onClose}>Close</Button>}>
      <dl className="facts">
        <dt>Time</dt>
        <dd>{formatTime(row.time)}</dd>
        <dt>Phone user</dt>
        <dd>
          <OnlyThisOne row={row} onGo={onClose} />
        </dd>
        <dt>By</dt>
        <dd>{actorName(row.actor)}</dd>
        {facts.map(({ label, before, after }) => (
          <Fragment key={label}>
            <dt>{label}</dt>
            <dd>{row.kind === "RECORD" ? after : `${before || "none"} → ${after || "none"}`}</dd>
          </Fragment>
        ))}
        {row.requestId && (
          <>
            <dt>Reference for support</dt>
            <dd>{row.requestId}</dd>
          </>
        )}
      </dl>
    </ModalDialog>
  );
}

/** What sites and packages are called. */
function useNames(): ReadonlyMap<string, string> {
  const sites = useSites().data;
  const packages = usePackages().data;
  return useMemo(() => new Map([...namesOf(sites), ...namesOf(packages)]), [sites, packages]);
}

function actorName(actor: string): string {
  return actor === "phone-user" ? "the person" : actor === "system" ? "Switchboard" : actor;
}
