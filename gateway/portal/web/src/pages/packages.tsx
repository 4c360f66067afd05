import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, idOf, type Package } from "../api/client";
import { usePackages, useRefresh } from "../api/queries";
import { useAccountId } from "../session/hooks";
import { Button, TextField } from "../ui/controls";
import { formatCount } from "../ui/format";
import { FormDialog } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { ActionMenu } from "../ui/menu";
import { Meter } from "../ui/meter";
import { Empty, Problem, Waiting } from "../ui/notice";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";
import { PackageName } from "./phone-users/labels";

/** Calling packages with their seats. */
export default function Packages() {
  useTitle("Packages");
  const packages = usePackages();
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [editing, setEditing] = useState<Package | "new" | null>(null);
  const turn = useMutation({
    mutationFn: (p: Package) => {
      const options = { params: { path: { account, package: idOf(p.name) } }, body: {} };
      return ask(
        p.state === "ACTIVE"
          ? api.POST("/v1/accounts/{account}/packages/{package}:deactivate", options)
          : api.POST("/v1/accounts/{account}/packages/{package}:activate", options),
      );
    },
    onSuccess: async (p) => {
      await refresh("packages", "phoneUsers", "phoneUser");
      say(`${p.displayName} is ${p.state === "ACTIVE" ? "active" : "inactive"} now.`);
    },
  });
  return (
    <section className="page medium">
      <header className="page-header">
        <h1>Packages</h1>
        <Button look="primary" onPress={() => setEditing("new")}>
          <Icon name="plus" /> Add package
        </Button>
      </header>
      <p className="lead">A calling package lets its holders make outbound calls and have direct numbers.</p>
      <Problem error={packages.error ?? turn.error} />
      {packages.isPending && <Waiting />}
      {packages.data?.length === 0 && (
        <Empty title="No packages yet">
          <p>Without a package, phone users can be called but cannot call out.</p>
        </Empty>
      )}
      <ul className="cards">
        {packages.data?.map((p) => (
          <li key={p.name} className="card">
            <div className="card-head">
              <h2>
                <PackageName name={p.displayName} inactive={p.state === "INACTIVE"} />
              </h2>
              <ActionMenu
                className="icon-button"
                label={`More for ${p.displayName}`}
                button={<Icon name="more" />}
                actions={[
                  { id: "edit", label: "Change", run: () => setEditing(p) },
                  {
                    id: "turn",
                    label: p.state === "ACTIVE" ? "Deactivate" : "Activate",
                    danger: p.state === "ACTIVE",
                    run: () => turn.mutate(p),
                  },
                ]}
              />
            </div>
            {p.kind && <p className="muted">{p.kind}</p>}
            <Meter
              label="Seats"
              used={Number(p.assigned)}
              of={Number(p.seats)}
              words={`${formatCount(p.assigned)} of ${formatCount(p.seats)}`}
            />
          </li>
        ))}
      </ul>
      {editing && <PackageDialog before={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
    </section>
  );
}

function PackageDialog({ before, onClose }: { before: Package | null; onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [displayName, setDisplayName] = useState(before?.displayName ?? "");
  const [kind, setKind] = useState(before?.kind ?? "");
  const [seats, setSeats] = useState(String(before?.seats ?? ""));
  const save = useMutation({
    mutationFn: () => {
      const body = { displayName, kind, seats: Number(seats) };
      return ask(
        before
          ? api.PATCH("/v1/accounts/{account}/packages/{package}", {
              params: { path: { account, package: idOf(before.name) }, query: { updateMask: "displayName,kind,seats" } },
              body: { ...body, etag: before.etag },
            })
          : api.POST("/v1/accounts/{account}/packages", { params: { path: { account } }, body }),
      );
    },
    onSuccess: async (p) => {
      await refresh("packages");
      say(`${p.displayName} is saved.`);
      onClose();
    },
  });
  return (
    <FormDialog
      title={before ? "Change package" : "Add package"}
      onClose={onClose}
      save={save}
      isReady={!!displayName && !!seats}
    >
      <TextField label="Name" value={displayName} onChange={setDisplayName} maxLength={200} isRequired autoFocus />
      <TextField
        label="Kind of calls"
        hint="A word of your own, such as domestic."
        value={kind}
        onChange={setKind}
        maxLength={64}
      />
      <TextField
        label="Seats"
        hint="How many phone users can hold it."
        inputMode="numeric"
        value={seats}
        onChange={(v) => setSeats(v.replace(/\D/g, ""))}
        maxLength={8}
        isRequired
      />
    </FormDialog>
  );
}
