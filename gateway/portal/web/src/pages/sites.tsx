import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, idOf, type Site, type Template } from "../api/client";
import { namesOf, useRefresh, useSites, useTemplates } from "../api/queries";
import { useAccountId } from "../session/hooks";
import { Button, Select, TextField, Toggle } from "../ui/controls";
import { FormDialog } from "../ui/form-dialog";
import { Icon } from "../ui/icons";
import { ActionMenu } from "../ui/menu";
import { Empty, Problem, Waiting } from "../ui/notice";
import { useSay } from "../ui/toast";
import { useTitle } from "../ui/title";
import { SettingsFields, withDefaults } from "./settings-fields";

const everySite = "every";

/** Sites, which extensions belong to, and templates, which phone users start with. */
export default function Sites() {
  useTitle("Sites & Templates");
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const sites = useSites();
  const templates = useTemplates();
  const siteNames = namesOf(sites.data);
  const [site, setSite] = useState<Site | "new" | null>(null);
  const [template, setTemplate] = useState<Template | "new" | null>(null);
  const remove = useMutation({
    mutationFn: (what: Site | Template) =>
      ask<unknown>(
        "isMain" in what
          ? api.DELETE("/v1/accounts/{account}/sites/{site}", { params: { path: { account, site: idOf(what.name) } } })
          : api.DELETE("/v1/accounts/{account}/templates/{template}", {
              params: { path: { account, template: idOf(what.name) } },
            }),
      ),
    onSuccess: async (_, what) => {
      await refresh("sites", "templates");
      say(`${what.displayName} is deleted.`);
    },
  });
  return (
    <section className="page medium">
      <header className="page-header">
        <h1>Sites &amp; Templates</h1>
      </header>
      <Problem error={sites.error ?? templates.error ?? remove.error} />
      {sites.isPending && <Waiting />}
      <section className="stack" aria-labelledby="sites-heading">
        <div className="card-head">
          <h2 id="sites-heading">Sites</h2>
          <Button onPress={() => setSite("new")}>
            <Icon name="plus" /> Add site
          </Button>
        </div>
        <ul className="rows">
          {sites.data?.map((s) => (
            <li key={s.name}>
              <span className="spring">
                {s.displayName} {s.siteCode && <span className="muted">{s.siteCode}</span>}{" "}
                {s.isMain && <span className="badge">main</span>}
              </span>
              <ActionMenu
                className="icon-button"
                label={`More for ${s.displayName}`}
                button={<Icon name="more" />}
                actions={[
                  { id: "edit", label: "Change", run: () => setSite(s) },
                  ...(s.isMain ? [] : [{ id: "delete", label: "Delete", danger: true, run: () => remove.mutate(s) }]),
                ]}
              />
            </li>
          ))}
        </ul>
      </section>
      <section className="stack" aria-labelledby="templates-heading">
        <div className="card-head">
          <h2 id="templates-heading">Templates</h2>
          <Button onPress={() => setTemplate("new")}>
            <Icon name="plus" /> Add template
          </Button>
        </div>
        {templates.data?.length === 0 && (
          <Empty title="No templates yet">
            <p>A template holds the settings that phone users start with.</p>
          </Empty>
        )}
        <ul className="rows">
          {templates.data?.map((t) => (
            <li key={t.name}>
              <span className="spring">
                {t.displayName} <span className="muted">{t.site ? (siteNames.get(t.site) ?? "") : "every site"}</span>
              </span>
              <ActionMenu
                className="icon-button"
                label={`More for ${t.displayName}`}
                button={<Icon name="more" />}
                actions={[
                  { id: "edit", label: "Change", run: () => setTemplate(t) },
                  { id: "delete", label: "Delete", danger: true, run: () => remove.mutate(t) },
                ]}
              />
            </li>
          ))}
        </ul>
      </section>
      {site && <SiteDialog before={site === "new" ? null : site} onClose={() => setSite(null)} />}
      {template && <TemplateDialog before={template === "new" ? null : template} onClose={() => setTemplate(null)} />}
    </section>
  );
}

function SiteDialog({ before, onClose }: { before: Site | null; onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const [displayName, setDisplayName] = useState(before?.displayName ?? "");
  const [siteCode, setSiteCode] = useState(before?.siteCode ?? "");
  const [isMain, setIsMain] = useState(before?.isMain ?? false);
  const save = useMutation({
    mutationFn: () => {
      const body = { displayName, siteCode, isMain };
      return ask(
        before
          ? api.PATCH("/v1/accounts/{account}/sites/{site}", {
              params: { path: { account, site: idOf(before.name) }, query: { updateMask: "displayName,siteCode,isMain" } },
              body: { ...body, etag: before.etag },
            })
          : api.POST("/v1/accounts/{account}/sites", { params: { path: { account } }, body }),
      );
    },
    onSuccess: async (saved) => {
      await refresh("sites");
      say(`${saved.displayName} is saved.`);
      onClose();
    },
  });
  return (
    <FormDialog title={before ? "Change site" : "Add site"} onClose={onClose} save={save} isReady={!!displayName}>
      <TextField label="Name" value={displayName} onChange={setDisplayName} maxLength={200} isRequired autoFocus />
      <TextField
        label="Site code"
        hint="Up to 16 letters, digits and “-”; may be empty."
        value={siteCode}
        onChange={setSiteCode}
        maxLength={16}
      />
      <Toggle label="Main site" isSelected={isMain} onChange={setIsMain} isDisabled={before?.isMain} />
    </FormDialog>
  );
}

function TemplateDialog({ before, onClose }: { before: Template | null; onClose: () => void }) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const sites = useSites();
  const [displayName, setDisplayName] = useState(before?.displayName ?? "");
  const [site, setSite] = useState(everySite);
  const [settings, setSettings] = useState(() => withDefaults(before?.settings));
  const save = useMutation({
    mutationFn: () =>
      ask(
        before
          ? api.PATCH("/v1/accounts/{account}/templates/{template}", {
              params: { path: { account, template: idOf(before.name) }, query: { updateMask: "displayName,settings" } },
              body: { displayName, settings, etag: before.etag },
            })
          : api.POST("/v1/accounts/{account}/templates", {
              params: { path: { account } },
              body: { displayName, settings, ...(site !== everySite && { site }) },
            }),
      ),
    onSuccess: async (saved) => {
      await refresh("templates");
      say(`${saved.displayName} is saved.`);
      onClose();
    },
  });
  return (
    <FormDialog
      size="wide"
      title={before ? "Change template" : "Add template"}
      onClose={onClose}
      save={save}
      isReady={!!displayName}
    >
      <TextField label="Name" value={displayName} onChange={setDisplayName} maxLength={200} isRequired autoFocus />
      {!before && (sites.data?.length ?? 0) > 1 && (
        <Select
          label="Site"
          value={site}
          onChange={setSite}
          choices={[
            { id: everySite, label: "Every site", text: "Every site" },
            ...(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName })),
          ]}
        />
      )}
      <SettingsFields value={settings} onChange={setSettings} />
    </FormDialog>
  );
}
