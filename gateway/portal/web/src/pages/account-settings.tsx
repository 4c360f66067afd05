import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, ask, type Account } from "../api/client";
import { useAccount, useRefresh } from "../api/queries";
import { useAccountId, useSession } from "../session/hooks";
import { Button, TextField, Toggle } from "../ui/controls";
import { formatCount } from "../ui/format";
import { Meter } from "../ui/meter";
import { Problem, Waiting } from "../ui/notice";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";

const daySeconds = 24 * 60 * 60;

/** "86400s" as days. */
function daysOf(duration: string | undefined): string {
  return String(Math.round(Number((duration ?? "0s").replace("s", "")) / daySeconds));
}

export default function AccountSettings() {
  useTitle("Account Settings");
  const account = useAccount();
  return (
    <section className="page narrow">
      <header className="page-header">
        <h1>Account Settings</h1>
      </header>
      {account.isPending && <Waiting />}
      <Problem error={account.error} retry={() => void account.refetch()} />
      {account.data && <Form key={account.data.etag} account={account.data} />}
    </section>
  );
}

function Form({ account }: { account: Account }) {
  const id = useAccountId();
  const operator = useSession()?.operator === true;
  const refresh = useRefresh();
  const say = useSay();
  const policy = account.policy;
  const [displayName, setDisplayName] = useState(account.displayName);
  const [licenseSeats, setLicenseSeats] = useState(String(account.licenseSeats));
  const [softDelete, setSoftDelete] = useState(policy?.softDelete === true);
  const [extensionDays, setExtensionDays] = useState(daysOf(policy?.extensionQuarantine));
  const [numberDays, setNumberDays] = useState(daysOf(policy?.phoneNumberQuarantine));
  const save = useMutation({
    mutationFn: () =>
      ask(
        api.PATCH("/v1/accounts/{account}", {
          params: {
            path: { account: id },
            query: { updateMask: operator ? "displayName,policy,licenseSeats" : "displayName,policy" },
          },
          body: {
            displayName,
            ...(operator && { licenseSeats: Number(licenseSeats) }),
            policy: {
              softDelete,
              extensionQuarantine: `${Number(extensionDays) * daySeconds}s`,
              phoneNumberQuarantine: `${Number(numberDays) * daySeconds}s`,
            },
            etag: account.etag,
          },
        }),
      ),
    onSuccess: async () => {
      await refresh("account");
      say("Saved.");
    },
  });
  const digits = (set: (value: string) => void) => (value: string) => set(value.replace(/\D/g, "").slice(0, 8));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <TextField label="Name of the organisation" value={displayName} onChange={setDisplayName} maxLength={200} isRequired />
      <div className="field">
        <span className="label">Account id</span>
        <code>{id}</code>
        <span className="hint">For the platform’s operators and for programs that call the API.</span>
      </div>
      <Meter
        label="Phone licences"
        used={Number(account.licensesAssigned)}
        of={Number(account.licenseSeats)}
        words={`${formatCount(account.licensesAssigned)} of ${formatCount(account.licenseSeats)} assigned`}
      />
      {operator && (
        <TextField
          label="Phone licences bought"
          inputMode="numeric"
          value={licenseSeats}
          onChange={digits(setLicenseSeats)}
          isRequired
        />
      )}
      <fieldset>
        <legend>Policy</legend>
        <Toggle
          label="Soft Delete Users"
          hint="Phone users are moved to the trash first, where they can be restored for 30 days, before they can be removed."
          isSelected={softDelete}
          onChange={setSoftDelete}
        />
        <div className="field-pair">
          <TextField
            label="Days to hold freed extensions"
            hint="0 to 365; 0 means free at once."
            inputMode="numeric"
            value={extensionDays}
            onChange={digits(setExtensionDays)}
            isRequired
          />
          <TextField
            label="Days to hold freed numbers"
            hint="0 to 365; 0 means free at once."
            inputMode="numeric"
            value={numberDays}
            onChange={digits(setNumberDays)}
            isRequired
          />
        </div>
      </fieldset>
      <Problem error={save.error} />
      <div className="form-actions">
        <Button type="submit" look="primary" isPending={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  );
}
