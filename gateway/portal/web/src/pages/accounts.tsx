import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useNavigate } from "react-router";
import { api, ask, idOf } from "../api/client";
import { chooseAccount } from "../session/hooks";
import { Button, TextField, Toggle } from "../ui/controls";
import { Problem } from "../ui/notice";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";

/** For the platform's operators: makes accounts, and opens one to look into. */
export default function Accounts() {
  useTitle("Accounts");
  const navigate = useNavigate();
  const client = useQueryClient();
  const say = useSay();
  const [id, setId] = useState("");
  const [displayName, setDisplayName] = useState("");
  const [licenseSeats, setLicenseSeats] = useState("100");
  const [softDelete, setSoftDelete] = useState(false);
  const enter = (account: string) => {
    client.clear();
    chooseAccount(account);
    void navigate("/");
  };
  const open = useMutation({
    mutationFn: () => ask(api.GET("/v1/accounts/{account}", { params: { path: { account: idOf(id.trim()) } } })),
    onSuccess: (account) => enter(idOf(account.name)),
  });
  const make = useMutation({
    mutationFn: () =>
      ask(api.POST("/v1/accounts", { body: { displayName, licenseSeats: Number(licenseSeats), policy: { softDelete } } })),
    onSuccess: (account) => {
      say(`${account.displayName} is there. Its administrators can sign in.`);
      enter(idOf(account.name));
    },
  });
  const submit = (run: () => void) => (event: FormEvent) => {
    event.preventDefault();
    run();
  };
  return (
    <section className="page narrow">
      <header className="page-header">
        <h1>Accounts</h1>
      </header>
      <form className="card stack" onSubmit={submit(() => make.mutate())}>
        <h2>Make an account</h2>
        <TextField label="Name of the organisation" value={displayName} onChange={setDisplayName} maxLength={200} isRequired />
        <TextField
          label="Phone licences"
          inputMode="numeric"
          value={licenseSeats}
          onChange={(v) => setLicenseSeats(v.replace(/\D/g, "").slice(0, 8))}
          isRequired
        />
        <Toggle label="Soft Delete Users" isSelected={softDelete} onChange={setSoftDelete} />
        <Problem error={make.error} />
        <div className="form-actions">
          <Button type="submit" look="primary" isDisabled={!displayName || !licenseSeats} isPending={make.isPending}>
            Make account
          </Button>
        </div>
      </form>
      <form className="card stack" onSubmit={submit(() => open.mutate())}>
        <h2>Open an account</h2>
        <TextField
          label="Account id"
          hint="Its administrators find it under Account Settings."
          value={id}
          onChange={setId}
          isRequired
        />
        <Problem error={open.error} />
        <div className="form-actions">
          <Button type="submit" isDisabled={!id.trim()} isPending={open.isPending}>
            Open
          </Button>
        </div>
      </form>
    </section>
  );
}
