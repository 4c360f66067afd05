import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { askBatch } from "../../api/batch";
import { api, ask } from "../../api/client";
import { usePackages, useRefresh, useSites, useTemplates } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button, Select } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { counted } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { ActionMenu } from "../../ui/menu";
import { Notice, Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";
import { ChooseRooms, ChooseUsers, type Assignee } from "./choose";
import { assignableChoices } from "./labels";

const none = "none";

/** Assigns phone licences to people or rooms, as many as one call takes. */
export function AddDialog({ kind, onClose }: { kind: "USER" | "ROOM"; onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const sites = useSites();
  const packages = usePackages();
  const templates = useTemplates();
  const [site, setSite] = useState("");
  const [assignees, setAssignees] = useState<Assignee[]>([]);
  const [pack, setPack] = useState("");
  const [template, setTemplate] = useState(none);
  const [choosing, setChoosing] = useState(false);
  const [requestId] = useState(() => crypto.randomUUID());

  const several = (sites.data?.length ?? 0) > 1;
  const order = {
    assignees: assignees.map((a) => a.name),
    ...(site && { site }),
    ...(pack && { package: pack }),
    ...(template !== none && { template }),
  };
  const assign = (more: { requestId?: string; validateOnly?: boolean }, signal?: AbortSignal) =>
    askBatch(
      ask(
        api.POST("/v1/accounts/{account}/phoneUsers:batchAssign", {
          params: { path: { account } },
          body: { ...order, ...more },
          signal,
        }),
      ),
    );
  const complete = assignees.length > 0 && (!several || site !== "");
  const preview = useQuery({
    queryKey: ["assignPreview", account, order],
    queryFn: ({ signal }) => assign({ validateOnly: true }, signal),
    enabled: complete,
    placeholderData: keepPreviousData,
    staleTime: 0,
  });
  const save = useMutation({
    mutationFn: () => assign({ requestId }),
    onSuccess: async (done) => {
      await refresh();
      const [first] = done.phoneUsers;
      say(
        done.phoneUsers.length === 1 && first
          ? `${first.displayName} has extension ${first.extensionNumber}.`
          : `${counted(done.phoneUsers.length, "licence", "licences")} assigned.`,
      );
      onClose();
    },
  });
  const names = assignees.map((a) => a.displayName);
  const many = kind === "USER" ? "Users" : "Rooms";
  const choices = assignableChoices(packages.data);
  const free = choices.some((c) => !c.disabled);
  const packageName = packages.data?.find((p) => p.name === pack)?.displayName;
  const Choose = kind === "USER" ? ChooseUsers : ChooseRooms;

  return (
    <>
      <ModalDialog
        title={kind === "USER" ? "Add Users" : "Add Rooms"}
        onClose={onClose}
        footer={
          <>
            <Button onPress={onClose}>Cancel</Button>
            <Button look="primary" isDisabled={!complete} isPending={save.isPending} onPress={() => save.mutate()}>
              Save
            </Button>
          </>
        }
      >
        {several && (
          <Select
            label="Site"
            isRequired
            value={site}
            placeholder="Select a site"
            onChange={(next) => {
              setSite(next);
              setTemplate(none);
            }}
            choices={(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName }))}
          />
        )}
        <div className="field">
          <span className="label" id="chosen-label">
            {many}
          </span>
          <div className="field-row" role="group" aria-labelledby="chosen-label">
            <span className="spring">{summary(names)}</span>
            <Button onPress={() => setChoosing(true)}>Choose</Button>
          </div>
        </div>
        <div className="field">
          <span className="label" id="package-label">
            Package
          </span>
          <div className="field-row" role="group" aria-labelledby="package-label">
            <span className="spring">{packageName ?? "None, so no outbound calls"}</span>
            {pack && (
              <Button look="quiet" onPress={() => setPack("")}>
                Clear
              </Button>
            )}
            <ActionMenu
              button={
                <>
                  Assign <Icon name="chevron" />
                </>
              }
              actions={choices
                .filter((c) => !c.disabled)
                .map((c) => ({ id: c.id, label: c.label, text: c.text, run: () => setPack(c.id) }))}
            />
          </div>
          {packages.data && !free && (
            <p className="hint">No package has a free seat. Seats are added under Packages; one can be assigned later.</p>
          )}
        </div>
        <Select
          label="Specify a template to be assigned to users"
          value={template}
          onChange={setTemplate}
          choices={[
            { id: none, label: "No template", text: "No template" },
            ...(templates.data ?? [])
              .filter((t) => !t.site || !site || t.site === site)
              .map((t) => ({ id: t.name, label: t.displayName, text: t.displayName })),
          ]}
        />
        {complete && preview.data && !preview.error && !save.error && <Notice>{foretell(preview.data.phoneUsers)}</Notice>}
        <Problem error={save.error ?? (complete ? preview.error : null)} names={names} />
      </ModalDialog>
      {choosing && (
        <Choose
          chosen={assignees}
          onClose={() => setChoosing(false)}
          onConfirm={(next) => {
            setAssignees(next);
            setChoosing(false);
          }}
        />
      )}
    </>
  );
}

function summary(names: string[]): string {
  if (names.length === 0) {
    return "Nobody chosen yet";
  }
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}

function foretell(phoneUsers: { displayName: string; extensionNumber: string }[]): string {
  const [first] = phoneUsers;
  const last = phoneUsers.at(-1);
  if (phoneUsers.length === 1) {
    return `${first?.displayName ?? ""} will get extension ${first?.extensionNumber ?? ""}.`;
  }
  return `${phoneUsers.length} extensions will be assigned, from ${first?.extensionNumber ?? ""} to ${last?.extensionNumber ?? ""}.`;
}
