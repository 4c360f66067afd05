import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, ask, idOf } from "../../api/client";
import { useRefresh, useSites } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Button, Select, TextField } from "../../ui/controls";
import { ModalDialog } from "../../ui/dialog";
import { Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";

export function AddRangeDialog({ onClose }: { onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const sites = useSites();
  const [site, setSite] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const at = site || sites.data?.[0]?.name || "";
  const add = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/accounts/{account}/sites/{site}/extensionRanges", {
          params: { path: { account, site: idOf(at) } },
          body: { from, to },
        }),
      ),
    onSuccess: async () => {
      await refresh("ranges", "extensions");
      say(`Extensions ${from} to ${to} can be given out.`);
      onClose();
    },
  });
  const digits = (set: (value: string) => void) => (value: string) => set(value.replace(/\D/g, ""));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <ModalDialog
      title="Add range"
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit" form="range" isDisabled={!from || !to} isPending={add.isPending}>
            Save
          </Button>
        </>
      }
    >
      <form id="range" className="stack" onSubmit={submit}>
        {(sites.data?.length ?? 0) > 1 && (
          <Select
            label="Site"
            value={at}
            onChange={setSite}
            choices={(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName }))}
          />
        )}
        <div className="field-pair">
          <TextField
            label="From"
            hint="2 to 10 digits."
            inputMode="numeric"
            maxLength={10}
            value={from}
            onChange={digits(setFrom)}
            isRequired
            autoFocus
          />
          <TextField
            label="To"
            hint="As many digits."
            inputMode="numeric"
            maxLength={10}
            value={to}
            onChange={digits(setTo)}
            isRequired
          />
        </div>
        <Problem error={add.error} />
      </form>
    </ModalDialog>
  );
}
