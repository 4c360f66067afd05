import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, ask, idOf, type PhoneUser } from "../../api/client";
import { useRefresh } from "../../api/queries";
import { useAccountId, useSession } from "../../session/hooks";
import { Button } from "../../ui/controls";
import { Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";
import { changedSettings, SettingsFields, withDefaults } from "../settings-fields";

export function SettingsTab({ phoneUser: p }: { phoneUser: PhoneUser }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const before = withDefaults(p.settings);
  const [value, setValue] = useState(before);
  const changed = changedSettings(before, value);
  const names = Object.keys(changed);
  const mayChange = !useSession()?.operator && p.state === "ACTIVE";
  const save = useMutation({
    mutationFn: () =>
      ask(
        api.PATCH("/v1/accounts/{account}/phoneUsers/{phoneUser}", {
          params: {
            path: { account, phoneUser: idOf(p.name) },
            query: { updateMask: names.map((name) => `settings.${name}`).join(",") },
          },
          body: { settings: changed, etag: p.etag },
        }),
      ),
    onSuccess: async () => {
      await refresh("phoneUser", "log");
      say("Settings saved.");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <SettingsFields value={value} onChange={setValue} />
      <Problem error={save.error} />
      <div className="form-actions">
        <Button type="submit" look="primary" isDisabled={!mayChange || names.length === 0} isPending={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  );
}
