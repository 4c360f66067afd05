import { useState } from "react";
import { Select, TextField } from "../ui/controls";
import { useTitle } from "../ui/title";
import { LogTable, logKinds } from "./log-table";

/** Everything that happened to the account's phone users, for good. */
export default function AccountLog() {
  useTitle("Account Log");
  const [kind, setKind] = useState("all");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const start = new Date(`${since}T00:00:00`);
  const end = new Date(`${until}T23:59:59.999`);
  const filter = [
    kind !== "all" && `kind = ${kind}`,
    !Number.isNaN(start.getTime()) && `time >= "${start.toISOString()}"`,
    !Number.isNaN(end.getTime()) && `time <= "${end.toISOString()}"`,
  ];
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Account Log</h1>
      </header>
      <div className="toolbar">
        <Select
          inline
          label="What"
          value={kind}
          onChange={setKind}
          choices={[
            { id: "all", label: "Everything", text: "Everything" },
            ...Object.entries(logKinds).map(([id, text]) => ({ id, label: text, text })),
          ]}
        />
        <div className="inline-date">
          <TextField label="From" type="date" value={since} onChange={setSince} />
        </div>
        <div className="inline-date">
          <TextField label="To" type="date" value={until} onChange={setUntil} />
        </div>
      </div>
      <LogTable filter={filter.filter(Boolean).join(" AND ")} label="Account log" />
    </section>
  );
}
