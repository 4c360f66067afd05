import { useMemo } from "react";
import type { Settings } from "../api/client";
import { TextField, Toggle } from "../ui/controls";

export type FullSettings = Required<Settings>;

/** What a field has that is not set, as the API documents it. */
export const defaultSettings: FullSettings = {
  language: "en",
  timeZone: "UTC",
  voicemailEnabled: true,
  voicemailToEmail: false,
  ringSeconds: 30,
  callWaiting: true,
  doNotDisturb: false,
  forwardTo: "",
};

/** All settings, with the defaults where nothing is set. */
export function withDefaults(settings: Settings | undefined): FullSettings {
  return { ...defaultSettings, ...settings };
}

/** The fields of `next` that differ from `before`: only those are sent. */
export function changedSettings(before: FullSettings, next: FullSettings): Settings {
  return Object.fromEntries(
    Object.entries(next).filter(([name, value]) => value !== before[name as keyof FullSettings]),
  ) as Settings;
}

interface Props {
  value: FullSettings;
  onChange: (next: FullSettings) => void;
}

/** The basic settings of a phone, as administrators and the people themselves change them. */
export function SettingsFields({ value, onChange }: Props) {
  const set = <K extends keyof FullSettings>(name: K, to: FullSettings[K]) => onChange({ ...value, [name]: to });
  const languages = useMemo(() => [...new Set([...navigator.languages, "en", "de", "fr", "es", "pt-BR"])], []);
  const zones = useMemo(() => Intl.supportedValuesOf("timeZone"), []);
  return (
    <>
      <fieldset>
        <legend>Language and time</legend>
        <div className="field-pair">
          <TextField
            label="Language of prompts and mails"
            hint="A tag such as en, de or pt-BR."
            value={value.language}
            onChange={(v) => set("language", v)}
            suggestions={languages}
            isRequired
          />
          <TextField
            label="Time zone"
            hint="A name such as Europe/Lisbon."
            value={value.timeZone}
            onChange={(v) => set("timeZone", v)}
            suggestions={zones}
            isRequired
          />
        </div>
      </fieldset>
      <fieldset>
        <legend>Calls</legend>
        <div className="field-pair">
          <TextField
            label="Seconds to ring"
            hint="5 to 120, before the call goes on."
            inputMode="numeric"
            value={String(value.ringSeconds)}
            onChange={(v) => set("ringSeconds", Number(v.replace(/\D/g, "").slice(0, 3)))}
            isRequired
          />
          <TextField
            label="Forward calls to"
            hint="An extension, or a number with country code. Empty for nowhere."
            value={value.forwardTo}
            onChange={(v) => set("forwardTo", v.trim())}
          />
        </div>
        <Toggle
          label="Offer a second call while one is on"
          isSelected={value.callWaiting}
          onChange={(v) => set("callWaiting", v)}
        />
        <Toggle
          label="Do not disturb: refuse calls for now"
          isSelected={value.doNotDisturb}
          onChange={(v) => set("doNotDisturb", v)}
        />
      </fieldset>
      <fieldset>
        <legend>Voicemail</legend>
        <Toggle
          label="Send unanswered calls to voicemail"
          isSelected={value.voicemailEnabled}
          onChange={(v) => set("voicemailEnabled", v)}
        />
        <Toggle
          label="Also send voicemails by e-mail"
          isSelected={value.voicemailToEmail}
          onChange={(v) => set("voicemailToEmail", v)}
        />
      </fieldset>
    </>
  );
}
