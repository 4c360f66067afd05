import { useMutation } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { Link } from "react-router";
import { api, ask, idOf, type PhoneNumber } from "../api/client";
import { usePhoneNumbers, useRefresh } from "../api/queries";
import { useAccountId } from "../session/hooks";
import { Button, Search, Select, TextField } from "../ui/controls";
import { ModalDialog } from "../ui/dialog";
import { counted, formatTime } from "../ui/format";
import { FormDialog } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { Empty, Problem, Waiting } from "../ui/notice";
import { SelectedCount } from "../ui/limit";
import { useSelection } from "../ui/selection";
import { DataTable, type Column } from "../ui/table";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";

/** What the service deletes at a time. */
const mostNumbers = 1000;
/** How many are named before they are deleted. */
const listed = 20;
const keyOf = (row: PhoneNumber) => row.number;
const labelOf = (row: PhoneNumber) => `Select ${row.number}`;
const deletable = (row: PhoneNumber) => row.state !== "ASSIGNED";

const columns: Column<PhoneNumber>[] = [
  { id: "number", header: "Number", className: "number name", cell: (row) => row.number },
  {
    id: "state",
    header: "State",
    cell: (row) =>
      row.state === "ASSIGNED" ? (
        <Link to={`/phone-system/users/${idOf(row.assignee)}`}>assigned</Link>
      ) : row.state === "QUARANTINED" ? (
        <span className="badge warn">kept back until {formatTime(row.quarantineTime)}</span>
      ) : (
        <span className="free">free</span>
      ),
  },
];

/** Direct numbers, which reach people from outside. */
export default function Numbers() {
  useTitle("Phone Numbers");
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [query, setQuery] = useState("");
  const [state, setState] = useState("all");
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const list = usePhoneNumbers({ filter: state === "all" ? "" : `state = ${state}`, query: useDeferredValue(query.trim()) });
  const { selection, chosen, clear, keepFirst } = useSelection(mostNumbers, keyOf, labelOf, list.rows, deletable);
  const remove = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/phoneNumbers:batchDelete", {
          params: { path: { account } },
          body: { phoneNumbers: chosen.map((n) => n.number) },
        }),
      ),
    onSuccess: async () => {
      await refresh("phoneNumbers");
      say(`${counted(chosen.length, "number", "numbers")} deleted.`);
      clear();
      setDeleting(false);
    },
  });
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Phone Numbers</h1>
        <Button look="primary" onPress={() => setAdding(true)}>
          <Icon name="plus" /> Add numbers
        </Button>
      </header>
      <div className="toolbar">
        <Search label="Search numbers" value={query} onChange={setQuery} />
        <Select
          inline
          label="State"
          value={state}
          onChange={setState}
          choices={[
            { id: "all", label: "All", text: "All" },
            { id: "AVAILABLE", label: "Free", text: "Free" },
            { id: "ASSIGNED", label: "Assigned", text: "Assigned" },
            { id: "QUARANTINED", label: "Kept back", text: "Kept back" },
          ]}
        />
        <span className="spring" />
        <span className="count" role="status">
          {list.data ? counted(list.total, "number", "numbers") : ""}
        </span>
      </div>
      {chosen.length > 0 && (
        <div className="bulk-bar" role="toolbar" aria-label="Selected">
          <SelectedCount count={chosen.length} most={mostNumbers} onKeep={keepFirst} />
          <Button look="danger" onPress={() => setDeleting(true)}>
            Delete
          </Button>
          <Button look="quiet" onPress={clear}>
            Clear
          </Button>
        </div>
      )}
      <Problem error={list.error} retry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={query || state !== "all" ? "No number matches" : "No numbers yet"}>
          <p>
            {query || state !== "all"
              ? "Search for something else, or show all."
              : "Numbers that the account has from its carrier are added here, and then assigned to phone users."}
          </p>
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label="Phone numbers"
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          selection={selection}
          rowHeight={44}
        />
      )}
      {adding && <AddNumbersDialog onClose={() => setAdding(false)} />}
      {deleting && (
        <ModalDialog
          alert
          title="Delete numbers"
          onClose={() => setDeleting(false)}
          footer={
            <>
              <Button onPress={() => setDeleting(false)}>Cancel</Button>
              <Button look="danger" isPending={remove.isPending} onPress={() => remove.mutate()}>
                Delete
              </Button>
            </>
          }
        >
          <p>
            {chosen.length > listed ? counted(chosen.length, "number leaves", "numbers leave") : "These numbers leave"} the
            account:{" "}
            {chosen
              .slice(0, listed)
              .map((n) => n.number)
              .join(", ")}
            {chosen.length > listed && ` and ${counted(chosen.length - listed, "other", "others")}`}.
          </p>
          <Problem error={remove.error} names={chosen.map((n) => n.number)} />
        </ModalDialog>
      )}
    </section>
  );
}

function AddNumbersDialog({ onClose }: { onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [text, setText] = useState("");
  const numbers = text.split(/[\s,;]+/).filter(Boolean);
  const add = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/phoneNumbers:batchCreate", {
          params: { path: { account } },
          body: { phoneNumbers: numbers.map((number) => ({ number })) },
        }),
      ),
    onSuccess: async () => {
      await refresh("phoneNumbers");
      say(`${counted(numbers.length, "number", "numbers")} added.`);
      onClose();
    },
  });
  return (
    <FormDialog
      title="Add numbers"
      onClose={onClose}
      save={add}
      isReady={numbers.length > 0}
      action={numbers.length > 1 ? `Add ${numbers.length} numbers` : "Add"}
      names={numbers}
    >
      <TextField
        label="Numbers"
        hint="With country code, such as +351210000000; one a line, up to 1,000."
        rows={8}
        value={text}
        onChange={setText}
        isRequired
        autoFocus
      />
    </FormDialog>
  );
}
