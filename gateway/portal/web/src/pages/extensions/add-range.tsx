import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, idOf } from "../../api/client";
import { useRefresh, useSites } from "../../api/queries";
import { useAccountId } from "../../session/hooks";
import { Select, TextField } from "../../ui/controls";
import { FormDialog } from "../../ui/form-dialog";
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
  return (
    <FormDialog title="Add range" onClose={onClose} save={add} isReady={!!from && !!to}>
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
    </FormDialog>
  );
}
