import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { askBatch } from "../../api/batch";
import { api, ask, type Release, type Restoration } from "../../api/client";
import { namesOf, usePackages, useRefresh, type PhoneUserRow } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { counted } from "../../ui/format";
import { Problem, Waiting } from "../../ui/notice";
import { useSay } from "../../ui/toast";

export type BatchKind = "remove" | "trash" | "packages" | "restore";

interface Words {
  title: string;
  button: string;
  done: string;
  danger: boolean;
  notes: ReactNode;
}

const words: Record<BatchKind, Words> = {
  remove: {
    title: "Remove Users",
    button: "Delete",
    done: "removed",
    danger: true,
    notes: (
      <p>
        The phone licence is taken away at once. Call recordings, history and voicemails leave the person and do not come back
        with a new licence; administrators still find them in the account log.
      </p>
    ),
  },
  trash: {
    title: "Move to Trash",
    button: "Confirm",
    done: "moved to the trash",
    danger: true,
    notes: (
      <p>
        From the trash, a phone user can be restored for 30 days with the same extension. Licence, package and direct numbers
        are free for others at once.
      </p>
    ),
  },
  packages: {
    title: "Remove All Packages",
    button: "Remove",
    done: "without a package now",
    danger: true,
    notes: <p>Without a package there are no outbound calls. Direct numbers are taken away too; licence and extension stay.</p>,
  },
  restore: { title: "Restore", button: "Restore", done: "restored", danger: false, notes: <p>This comes back:</p> },
};

interface Outcome {
  releases?: Release[];
  restorations?: Restoration[];
}

function call(
  kind: BatchKind,
  account: string,
  body: { phoneUsers: string[]; validateOnly?: boolean; requestId?: string },
): Promise<Outcome> {
  const options = { params: { path: { account } }, body };
  switch (kind) {
    case "remove":
      return ask(api.POST("/v1/accounts/{account}/phoneUsers:batchRemove", options));
    case "trash":
      return ask(api.POST("/v1/accounts/{account}/phoneUsers:batchTrash", options));
    case "packages":
      return ask(api.POST("/v1/accounts/{account}/phoneUsers:batchRemovePackages", options));
    case "restore":
      return ask(api.POST("/v1/accounts/{account}/phoneUsers:batchRestore", options));
  }
}

interface Props {
  kind: BatchKind;
  rows: Pick<PhoneUserRow, "name" | "displayName">[];
  onClose: (done: boolean) => void;
}

/** Shows what a batch would do, and does it when that is confirmed. */
export function BatchDialog({ kind, rows, onClose }: Props) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [requestId] = useState(() => crypto.randomUUID());
  const phoneUsers = rows.map((row) => row.name);
  const names = rows.map((row) => row.displayName);
  const preview = useQuery({
    queryKey: ["batchPreview", account, kind, phoneUsers],
    queryFn: () => askBatch(call(kind, account, { phoneUsers, validateOnly: true })),
    staleTime: 0,
    gcTime: 0,
  });
  const text = words[kind];
  const run = useMutation({
    mutationFn: () => askBatch(call(kind, account, { phoneUsers, requestId })),
    onSuccess: async () => {
      await refresh();
      say(`${names.length === 1 ? (names[0] ?? "") : counted(names.length, "phone user", "phone users")} ${text.done}.`);
      onClose(true);
    },
  });
  return (
    <ModalDialog
      alert
      size="wide"
      title={text.title}
      onClose={() => onClose(false)}
      footer={
        <>
          <Button onPress={() => onClose(false)}>Cancel</Button>
          <Button
            look={text.danger ? "danger" : "primary"}
            isDisabled={!preview.data}
            isPending={run.isPending}
            onPress={() => run.mutate()}
          >
            {text.button}
          </Button>
        </>
      }
    >
      {text.notes}
      {preview.isPending && <Waiting label="Looking at what this would do" />}
      {preview.data?.releases && <Releases releases={preview.data.releases} kind={kind} />}
      {preview.data?.restorations && <Restorations restorations={preview.data.restorations} names={names} />}
      <Problem error={run.error ?? preview.error} names={names} />
    </ModalDialog>
  );
}

function Releases({ releases, kind }: { releases: Release[]; kind: BatchKind }) {
  const packages = namesOf(usePackages().data);
  const records = kind === "remove" || releases.some((r) => r.recordCount > 0);
  return (
    <div className="preview" tabIndex={0} role="region" aria-label="What would go">
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Extension freed</th>
            <th scope="col">Package seat freed</th>
            <th scope="col">Numbers freed</th>
            {records && <th scope="col">Records</th>}
          </tr>
        </thead>
        <tbody>
          {releases.map((r) => (
            <tr key={r.phoneUser}>
              <th scope="row">{r.displayName}</th>
              <td className="number">{r.extensionNumber || "stays"}</td>
              <td>{r.package ? (packages.get(r.package) ?? "yes") : "none"}</td>
              <td className="number">{r.phoneNumbers.join(", ") || "none"}</td>
              {records && <td className="number">{r.recordCount}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Restorations({ restorations, names }: { restorations: Restoration[]; names: string[] }) {
  const packages = namesOf(usePackages().data);
  return (
    <div className="preview" tabIndex={0} role="region" aria-label="What would come back">
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Extension</th>
            <th scope="col">Gone meanwhile</th>
          </tr>
        </thead>
        <tbody>
          {restorations.map((r, index) => {
            const gone = [
              ...(r.missingPackage ? [packages.get(r.missingPackage) ?? "the package"] : []),
              ...r.missingPhoneNumbers,
            ];
            return (
              <tr key={r.phoneUser}>
                <th scope="row">{names[index]}</th>
                <td className="number">{r.extensionNumber}</td>
                <td>{gone.length ? <span className="inactive">{gone.join(", ")}</span> : "nothing"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
