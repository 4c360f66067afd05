import { useMutation } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { Link } from "react-router";
import { api, ask, idOf, type User } from "../api/client";
import { useDirectory, useRefresh, useSites } from "../api/queries";
import { useAccountId, useSession } from "../session/hooks";
import { Button, Search, Select, TextField, Toggle } from "../ui/controls";
import { counted } from "../ui/format";
import { FormDialog } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { Empty, Notice, Problem, Waiting } from "../ui/notice";
import { DataTable, type Column } from "../ui/table";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";

const keyOf = (row: User) => row.name;
const roleNames: Record<string, string> = { OWNER: "Owner", ADMIN: "Administrator", MEMBER: "Member" };

const columns: Column<User>[] = [
  {
    id: "name",
    header: "Name",
    cell: (row) => (
      <div className="two-lines">
        <span>{row.displayName}</span>
        <span className="muted">{row.email}</span>
        {row.status === "PENDING" && <span className="badge narrow-only">invited, not confirmed</span>}
      </div>
    ),
  },
  { id: "role", header: "Role", className: "left wide", cell: (row) => roleNames[row.role] },
  {
    id: "status",
    header: "Status",
    className: "time wide",
    cell: (row) => (row.status === "PENDING" ? <span className="badge">invited, not confirmed</span> : "active"),
  },
  {
    id: "phone",
    header: "Phone",
    className: "left",
    cell: (row) =>
      row.phoneUser ? (
        <Link to={`/phone-system/users/${idOf(row.phoneUser)}`}>Licensed</Link>
      ) : (
        <span className="muted">no licence</span>
      ),
  },
];

/** User Management → Users: the people of the account, with or without a phone licence. */
export default function Directory() {
  useTitle("Users");
  const [query, setQuery] = useState("");
  const [which, setWhich] = useState("all");
  const [adding, setAdding] = useState(false);
  const filter =
    { all: "", licensed: "licensed = true", unlicensed: "licensed = false", pending: "status = PENDING" }[which] ?? "";
  const list = useDirectory({ filter, query: useDeferredValue(query.trim()) });
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Users</h1>
        <Button look="primary" onPress={() => setAdding(true)}>
          <Icon name="plus" /> Add Users
        </Button>
      </header>
      <div className="toolbar">
        <Search label="Search by name or e-mail" value={query} onChange={setQuery} />
        <Select
          inline
          label="Show"
          value={which}
          onChange={setWhich}
          choices={[
            { id: "all", label: "Everybody", text: "Everybody" },
            { id: "licensed", label: "With a phone", text: "With a phone" },
            { id: "unlicensed", label: "Without a phone", text: "Without a phone" },
            { id: "pending", label: "Invited, not confirmed", text: "Invited" },
          ]}
        />
        <span className="spring" />
        <span className="count" role="status">
          {list.data ? counted(list.total, "person", "people") : ""}
        </span>
      </div>
      <Problem error={list.error} retry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={query || which !== "all" ? "Nobody matches" : "Nobody is in the directory yet"}>
          <p>{query || which !== "all" ? "Search for something else, or show everybody." : "Add Users puts people in."}</p>
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label="Users"
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          rowHeight={56}
        />
      )}
      {adding && <AddUserDialog onClose={() => setAdding(false)} />}
    </section>
  );
}

function AddUserDialog({ onClose }: { onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const sites = useSites();
  const [email, setEmail] = useState("");
  const [givenName, setGivenName] = useState("");
  const [familyName, setFamilyName] = useState("");
  const [role, setRole] = useState("MEMBER");
  const [phone, setPhone] = useState(false);
  const [site, setSite] = useState("");
  const [requestId] = useState(() => crypto.randomUUID());
  const mayAssign = !useSession()?.operator;
  const several = (sites.data?.length ?? 0) > 1;
  const add = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/users", {
          params: { path: { account }, query: { requestId } },
          body: {
            email: email.trim(),
            givenName,
            familyName,
            role: role as User["role"],
            ...(phone && { features: ["PHONE" as const] }),
            ...(phone && site && { site }),
          },
        }),
      ),
    onSuccess: async (user) => {
      await refresh();
      say(
        phone
          ? `${user.displayName} is invited; a mail with a link is on its way.`
          : `${user.displayName} is in the directory.`,
      );
      onClose();
    },
  });
  return (
    <FormDialog title="Add Users" onClose={onClose} save={add} isReady={!!email && !(phone && several && !site)} action="Add">
      <TextField label="E-mail" type="email" value={email} onChange={setEmail} isRequired maxLength={254} autoFocus />
      <div className="field-pair">
        <TextField label="First name" value={givenName} onChange={setGivenName} maxLength={100} />
        <TextField label="Last name" value={familyName} onChange={setFamilyName} maxLength={100} />
      </div>
      <Select
        label="Role"
        value={role}
        onChange={setRole}
        choices={Object.entries(roleNames).map(([id, text]) => ({ id, label: text, text }))}
      />
      {mayAssign && (
        <fieldset>
          <legend>Feature</legend>
          <Toggle
            label="Phone"
            hint="A phone licence, taken at once; the extension follows when the person confirms."
            isSelected={phone}
            onChange={setPhone}
          />
        </fieldset>
      )}
      {phone && several && (
        <Select
          label="Site"
          isRequired
          placeholder="Select a site"
          value={site}
          onChange={setSite}
          choices={(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName }))}
        />
      )}
      {phone && <Notice>An invitation mail with a link to confirm the account goes out when you click Add.</Notice>}
    </FormDialog>
  );
}
