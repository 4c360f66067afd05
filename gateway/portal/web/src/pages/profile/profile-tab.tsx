import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, idOf, type PhoneUser } from "../../api/client";
import { namesOf, usePackages, useRefresh, useSites } from "../../api/queries";
import { useAccountId, useSession } from "../../session/hooks";
import { Button, Select } from "../../ui/controls";
import { formatTime } from "../../ui/format";
import { Notice, Problem } from "../../ui/notice";
import { useSay } from "../../ui/toast";
import { AssignNumbersDialog, AssignPackageDialog } from "../phone-users/assign-package";
import { BatchDialog } from "../phone-users/batch";
import { PackageName } from "../phone-users/labels";
import { useResendInvite } from "../phone-users/resend";
import { ExtensionField } from "./extension-field";

export function ProfileTab({ phoneUser: p }: { phoneUser: PhoneUser }) {
  const packages = usePackages();
  const sites = useSites();
  const operator = useSession()?.operator === true;
  const mayChange = !operator && p.state === "ACTIVE";
  const [dialog, setDialog] = useState<"package" | "numbers" | "remove-packages" | null>(null);
  return (
    <div className="stack">
      <dl className="facts">
        {p.email && (
          <>
            <dt>E-mail</dt>
            <dd>{p.email}</dd>
          </>
        )}
        <dt>Licence since</dt>
        <dd>{formatTime(p.createTime)}</dd>
        <dt>Outbound calls</dt>
        <dd>
          {p.outboundCalling
            ? "allowed by the package"
            : p.package
              ? "not allowed: the package is inactive"
              : "not allowed: no package"}
        </dd>
        {p.kind === "USER" && (
          <>
            <dt>Set-up</dt>
            <dd>{p.setupComplete ? "completed by the person" : "not completed yet"}</dd>
          </>
        )}
      </dl>

      {p.state === "ACTIVE" && <ExtensionField key={p.extensionNumber} phoneUser={p} readOnly={!mayChange} />}

      <SiteField phoneUser={p} readOnly={!mayChange || (sites.data?.length ?? 0) < 2} />

      <section className="field" aria-labelledby="package-heading">
        <h2 id="package-heading" className="label">
          Package
        </h2>
        <div className="field-row">
          <span className="spring">
            {p.package ? (
              <PackageName name={namesOf(packages.data).get(p.package) ?? "…"} inactive={p.packageState === "INACTIVE"} />
            ) : (
              "None"
            )}
          </span>
          {mayChange && (
            <>
              {p.package && (
                <Button look="quiet" onPress={() => setDialog("remove-packages")}>
                  Remove Packages
                </Button>
              )}
              <Button onPress={() => setDialog("package")}>Assign Package</Button>
            </>
          )}
        </div>
      </section>

      <PhoneNumbers phoneUser={p} mayChange={mayChange} onAssign={() => setDialog("numbers")} />
      {p.kind === "USER" && !operator && p.state !== "TRASHED" && <ResendInvite phoneUser={p} />}

      {dialog === "package" && <AssignPackageDialog phoneUser={p} onClose={() => setDialog(null)} />}
      {dialog === "numbers" && <AssignNumbersDialog phoneUser={p} onClose={() => setDialog(null)} />}
      {dialog === "remove-packages" && <BatchDialog kind="packages" rows={[p]} onClose={() => setDialog(null)} />}
    </div>
  );
}

function SiteField({ phoneUser: p, readOnly }: { phoneUser: PhoneUser; readOnly: boolean }) {
  const account = useAccountId();
  const sites = useSites();
  const refresh = useRefresh();
  const say = useSay();
  const move = useMutation({
    mutationFn: (site: string) =>
      ask(
        api.PATCH("/v1/accounts/{account}/phoneUsers/{phoneUser}", {
          params: { path: { account, phoneUser: idOf(p.name) }, query: { updateMask: "site" } },
          body: { site, etag: p.etag },
        }),
      ),
    onSuccess: async (now) => {
      await refresh();
      say(`${now.displayName} is at the new site, with extension ${now.extensionNumber}.`);
    },
  });
  const name = namesOf(sites.data).get(p.site) ?? "…";
  if (readOnly) {
    return (
      <div className="field">
        <span className="label">Site</span>
        <span>{name}</span>
      </div>
    );
  }
  return (
    <>
      <Select
        label="Site"
        hint="Another site gives the lowest free extension there."
        value={p.site}
        onChange={(site) => site !== p.site && move.mutate(site)}
        choices={(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName }))}
      />
      <Problem error={move.error} />
    </>
  );
}

function PhoneNumbers({
  phoneUser: p,
  mayChange,
  onAssign,
}: {
  phoneUser: PhoneUser;
  mayChange: boolean;
  onAssign: () => void;
}) {
  const account = useAccountId();
  const refresh = useRefresh();
  const say = useSay();
  const unassign = useMutation({
    mutationFn: (number: string) =>
      ask(
        api.POST("/v1/accounts/{account}/phoneUsers/{phoneUser}:unassignPhoneNumbers", {
          params: { path: { account, phoneUser: idOf(p.name) } },
          body: { phoneNumbers: [number], requestId: crypto.randomUUID() },
        }),
      ),
    onSuccess: async (_, number) => {
      await refresh();
      say(`${number} is free again.`);
    },
  });
  return (
    <section className="field" aria-labelledby="numbers-heading">
      <h2 id="numbers-heading" className="label">
        Direct numbers
      </h2>
      {p.phoneNumbers.map((number) => (
        <div key={number} className="field-row">
          <span className="spring number">{number}</span>
          {mayChange && (
            <Button look="quiet" aria-label={`Unassign ${number}`} onPress={() => unassign.mutate(number)}>
              Unassign
            </Button>
          )}
        </div>
      ))}
      <div className="field-row">
        <span className="spring">{p.phoneNumbers.length === 0 && "None"}</span>
        {mayChange && p.package && <Button onPress={onAssign}>Assign Numbers</Button>}
      </div>
      <Problem error={unassign.error} />
    </section>
  );
}

function ResendInvite({ phoneUser: p }: { phoneUser: PhoneUser }) {
  const resend = useResendInvite();
  if (p.setupComplete) {
    return <Notice look="ok">The person has completed the set-up; there is no invite to send again.</Notice>;
  }
  return (
    <section className="field" aria-labelledby="invite-heading">
      <h2 id="invite-heading" className="label">
        Welcome mail
      </h2>
      <p className="hint">
        {p.state === "PENDING"
          ? "The person has not confirmed the account yet. The invitation can be sent again."
          : "The person has not set up the phone yet. The mail with the extension and the link can be sent again."}
      </p>
      <div>
        <Button onPress={() => resend.mutate(p)} isPending={resend.isPending}>
          Resend Invite
        </Button>
      </div>
      <Problem error={resend.error} />
    </section>
  );
}
