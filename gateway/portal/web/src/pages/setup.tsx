import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import { api, ask, type PhoneUserSetup } from "../api/client";
import { Refusal } from "../api/refusal";
import { Button, TextField } from "../ui/controls";
import { Notice, Problem, Waiting } from "../ui/notice";
import { useTitle } from "../ui/title";
import { useLink } from "./link";
import { changedSettings, SettingsFields, withDefaults } from "./settings-fields";

/** Opened by the link in the welcome mail: the person sees the extension and changes the basic settings. */
export default function Setup() {
  useTitle("Set up your phone");
  const token = new URLSearchParams(useLink()).get("token") ?? "";
  const setup = useQuery({
    queryKey: ["setup", token],
    queryFn: () => ask(api.POST("/v1/phoneUserSetup:lookup", { body: { token } })),
    enabled: token !== "",
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  return (
    <article className="card public">
      <h1>Set up your phone</h1>
      {!token && <Notice look="warn">This page opens by the link in the mail that told you your extension.</Notice>}
      {token && setup.isPending && <Waiting label="Looking up your phone" />}
      <Problem
        error={setup.error}
        retry={setup.error instanceof Refusal && setup.error.reason === "OFFLINE" ? () => void setup.refetch() : undefined}
      />
      {setup.data && <Form key={token} token={token} found={setup.data} />}
    </article>
  );
}

function Form({ token, found }: { token: string; found: PhoneUserSetup }) {
  const [setup, setSetup] = useState(found);
  const before = withDefaults(setup.settings);
  const [settings, setSettings] = useState(before);
  const [extension, setExtension] = useState(setup.extensionNumber);
  const [saved, setSaved] = useState(false);
  const save = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/v1/phoneUserSetup:complete", {
          body: {
            token,
            settings: changedSettings(before, settings),
            ...(extension !== setup.extensionNumber && { extensionNumber: extension }),
          },
        }),
      ),
    onSuccess: (now) => {
      setSetup(now);
      setSettings(withDefaults(now.settings));
      setExtension(now.extensionNumber);
      setSaved(true);
    },
  });
  useEffect(() => {
    if (saved) {
      window.scrollTo(0, 0);
    }
  }, [saved]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const aboutExtension = save.error instanceof Refusal && save.error.reason.startsWith("EXTENSION_");
  return (
    <form className="stack" onSubmit={submit}>
      <div role="status">
        {saved ? (
          <Notice look="ok">Saved. Your phone is set up; you may close this page.</Notice>
        ) : (
          <p>
            {setup.setupComplete
              ? "Your phone is set up. You may still change your settings here."
              : "Check your settings and save them to finish."}
          </p>
        )}
      </div>
      <dl className="facts">
        <dt>Name</dt>
        <dd>{setup.displayName}</dd>
        {!setup.extensionChangeable && (
          <>
            <dt>Extension</dt>
            <dd className="number big">{setup.extensionNumber}</dd>
          </>
        )}
        {setup.phoneNumbers.length > 0 && (
          <>
            <dt>Direct numbers</dt>
            <dd className="number">{setup.phoneNumbers.join(", ")}</dd>
          </>
        )}
      </dl>
      {setup.extensionChangeable && (
        <TextField
          label="Extension"
          hint="Colleagues reach you by this number. You may choose another one."
          inputMode="numeric"
          maxLength={10}
          value={extension}
          onChange={(v) => setExtension(v.trim())}
          isInvalid={aboutExtension}
          isRequired
        />
      )}
      <SettingsFields value={settings} onChange={setSettings} />
      <Problem error={save.error} />
      <div className="form-actions">
        <Button type="submit" look="primary" isPending={save.isPending}>
          Save and finish
        </Button>
      </div>
    </form>
  );
}
