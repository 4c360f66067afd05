import { useMutation } from "@tanstack/react-query";
import { useDeferredValue, useId, useMemo, useState } from "react";
import { api, ask, idOf, type PhoneNumber } from "../../api/client";
import { usePackages, usePhoneNumbers, useRefresh, type PhoneUserRow } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button, Search, Select } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { LimitNote } from "../../ui/limit";
import { Empty, Notice, Problem, Waiting } from "../../ui/notice";
import { useSelection } from "../../ui/selection";
import { DataTable, type Column } from "../../ui/table";
import { useSay } from "../../ui/toast";
import { assignableChoices } from "./labels";

interface Props {
  phoneUser: Pick<PhoneUserRow, "name" | "displayName" | "package" | "phoneNumbers">;
  onClose: () => void;
}

/** Assigns a calling package, and after that on request direct numbers. */
export function AssignPackageDialog({ phoneUser, onClose }: Props) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const packages = usePackages();
  const [pack, setPack] = useState("");
  const [assigned, setAssigned] = useState(false);
  const [requestId] = useState(() => crypto.randomUUID());
  const path = { account, phoneUser: idOf(phoneUser.name) };
  const assign = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/phoneUsers/{phoneUser}:assignPackage", {
          params: { path },
          body: { package: pack, requestId },
        }),
      ),
    onSuccess: async () => {
      await refresh();
      say(`${phoneUser.displayName} has a new package.`);
      setAssigned(true);
    },
  });
  if (assigned) {
    return <AssignNumbersDialog phoneUser={phoneUser} onClose={onClose} />;
  }
  const choices = assignableChoices(packages.data).map((c) => (c.id === phoneUser.package ? { ...c, disabled: true } : c));
  return (
    <ModalDialog
      title="Assign Package"
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" isDisabled={!pack} isPending={assign.isPending} onPress={() => assign.mutate()}>
            Confirm and Assign Numbers
          </Button>
        </>
      }
    >
      <p>
        A calling package lets <b>{phoneUser.displayName}</b> make outbound calls.
        {phoneUser.package && " It takes the place of the present one; direct numbers stay."}
      </p>
      <Select
        label="Calling package"
        placeholder="Select a package"
        value={pack}
        onChange={setPack}
        choices={choices}
        isRequired
      />
      {packages.data && choices.every((c) => c.disabled) && (
        <Notice look="warn">No package has a free seat. Add one, or seats to one, under Packages.</Notice>
      )}
      <Problem error={assign.error ?? packages.error} />
    </ModalDialog>
  );
}

/** What the service assigns to somebody at a time. */
const mostNumbers = 20;
const keyOf = (row: PhoneNumber) => row.number;
const labelOf = (row: PhoneNumber) => `Select ${row.number}`;
const columns: Column<PhoneNumber>[] = [{ id: "number", header: "Number", className: "number", cell: (row) => row.number }];

/** Assigns direct numbers to somebody with a package. */
export function AssignNumbersDialog({ phoneUser, onClose }: Props) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [query, setQuery] = useState("");
  const list = usePhoneNumbers({ filter: "state = AVAILABLE", query: useDeferredValue(query.trim()) });
  const limit = useId();
  const found = useSelection(mostNumbers, keyOf, labelOf, list.rows);
  const { chosen, keepFirst } = found;
  const selection = useMemo(() => ({ ...found.selection, fullReason: limit }), [found.selection, limit]);
  const [requestId] = useState(() => crypto.randomUUID());
  const assign = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/phoneUsers/{phoneUser}:assignPhoneNumbers", {
          params: { path: { account, phoneUser: idOf(phoneUser.name) } },
          body: { phoneNumbers: chosen.map((n) => n.number), requestId },
        }),
      ),
    onSuccess: async () => {
      await refresh();
      say(`${phoneUser.displayName} can be called on ${chosen.map((n) => n.number).join(", ")}.`);
      onClose();
    },
  });
  return (
    <ModalDialog
      title="Assign Numbers"
      onClose={onClose}
      footer={
        <>
          <span className="spring" role="status">
            {chosen.length > 0 && `${chosen.length} selected`}
          </span>
          <Button onPress={onClose}>Skip</Button>
          <Button look="primary" isDisabled={chosen.length === 0} isPending={assign.isPending} onPress={() => assign.mutate()}>
            Confirm
          </Button>
        </>
      }
    >
      <p>
        A direct number reaches <b>{phoneUser.displayName}</b> from outside. Without one, skip.
      </p>
      <Search label="Search numbers" value={query} onChange={setQuery} />
      <LimitNote
        id={limit}
        count={chosen.length}
        most={mostNumbers}
        onKeep={keepFirst}
        more="Further ones can be assigned from the profile."
      />
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={query ? "No free number matches" : "No number is free"}>
          <p>Numbers are added under Phone Numbers.</p>
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label="Free numbers"
          columns={columns}
          rows={list.rows}
          total={list.total}
          need={list.need}
          rowKey={keyOf}
          selection={selection}
          rowHeight={44}
        />
      )}
      <Problem error={assign.error ?? list.error} names={chosen.map((n) => n.number)} />
    </ModalDialog>
  );
}
