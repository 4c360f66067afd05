import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { askBatch } from "../../api/batch";
import { api, ask, type PhoneUser, type Release, type Restoration } from "../../api/client";
import { namesOf, usePackages, useRefresh, type PhoneUserRow } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { counted } from "../../ui/format";
import { Problem, Waiting } from "../../ui/notice";
import { PlainTable, type PlainColumn } from "../../ui/plain-table";
import { useSay } from "../../ui/toast";

export type BatchKind = "remove" | "rooms" | "trash" | "delete" | "packages" | "restore";

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
  rooms: {
    title: "Remove Rooms",
    button: "Delete",
    done: "removed",
    danger: true,
    notes: (
      <p>
        The phone licence is taken away at once, and the room’s records with it; administrators still find them in the account
        log. The room itself stays in the directory.
      </p>
    ),
  },
  delete: {
    title: "Delete for good",
    button: "Delete",
    done: "deleted for good",
    danger: true,
    notes: (
      <p>
        After this nothing can be restored any more, and the extension is free for others. Call recordings, history and
        voicemails stay in the account log.
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
  restore: { title: "Restore", button: "Restore", done: "restored", danger: false, notes: null },
};

interface Outcome {
  releases?: Release[];
  restorations?: Restoration[];
  /** As they would be after a restore. */
  phoneUsers?: PhoneUser[];
}

function call(
  kind: BatchKind,
  account: string,
  body: { phoneUsers: string[]; validateOnly?: boolean; requestId?: string },
): Promise<Outcome> {
  const options = { params: { path: { account } }, body };
  switch (kind) {
    case "remove":
    case "rooms":
    case "delete":
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
      {preview.data?.restorations && (
        <Restorations restorations={preview.data.restorations} phoneUsers={preview.data.phoneUsers ?? []} />
      )}
      <Problem error={run.error ?? preview.error} names={names} />
    </ModalDialog>
  );
}

function Releases({ releases, kind }: { releases: Release[]; kind: BatchKind }) {
  const packages = namesOf(usePackages().data);
  const records: PlainColumn<Release> = { header: "Records", number: true, cell: (r) => r.recordCount };
  const anyRecords = kind !== "packages" || releases.some((r) => r.recordCount > 0);
  return (
    <PlainTable
      label="What would go"
      rows={releases}
      rowKey={(r) => r.phoneUser}
      columns={[
        { header: "Name", cell: (r) => r.displayName },
        { header: "Extension freed", number: true, cell: (r) => r.extensionNumber || "stays" },
        { header: "Package seat freed", cell: (r) => (r.package ? (packages.get(r.package) ?? "yes") : "none") },
        { header: "Numbers freed", number: true, cell: (r) => r.phoneNumbers.join(", ") || "none" },
        ...(anyRecords ? [records] : []),
      ]}
    />
  );
}

function Restorations({ restorations, phoneUsers }: { restorations: Restoration[]; phoneUsers: PhoneUser[] }) {
  const packages = namesOf(usePackages().data);
  const missing = (r: Restoration) => [
    ...(r.missingPackage ? [packages.get(r.missingPackage) ?? "the package"] : []),
    ...r.missingPhoneNumbers,
  ];
  const back = (index: number) => phoneUsers[index]?.package ?? "";
  return (
    <PlainTable
      label="What would come back"
      rows={restorations}
      rowKey={(r) => r.phoneUser}
      columns={[
        { header: "Name", cell: (_, index) => phoneUsers[index]?.displayName },
        { header: "Extension", number: true, cell: (r) => r.extensionNumber },
        { header: "Package", cell: (_, index) => (back(index) ? (packages.get(back(index)) ?? "yes") : "none") },
        { header: "Numbers", number: true, cell: (_, index) => phoneUsers[index]?.phoneNumbers.join(", ") || "none" },
        {
          header: "Gone meanwhile",
          cell: (r) => (missing(r).length ? <span className="inactive">{missing(r).join(", ")}</span> : "nothing"),
        },
      ]}
    />
  );
}
