import { Link } from "react-router";
import { namesOf, useAccount, usePackages, useRanges, useSites } from "../api/queries";
import { formatCount } from "../ui/format";
import { Meter } from "../ui/meter";
import { Notice, Problem, Waiting } from "../ui/notice";
import { useTitle } from "../ui/title";
import { PackageName } from "./phone-users/labels";

/** What there is and how much of it is used. */
export default function Home() {
  useTitle("Overview");
  const account = useAccount();
  const packages = usePackages();
  const ranges = useRanges();
  const sites = namesOf(useSites().data);
  const inactive = packages.data?.filter((p) => p.state === "INACTIVE" && Number(p.assigned) > 0) ?? [];
  return (
    <section className="page medium">
      <header className="page-header">
        <h1>Overview</h1>
      </header>
      <Problem error={account.error ?? packages.error ?? ranges.error} />
      {account.isPending && <Waiting />}
      {inactive.length > 0 && (
        <Notice look="warn">
          {inactive.map((p) => p.displayName).join(", ")} {inactive.length === 1 ? "is" : "are"} inactive, and the holders
          cannot call out. <Link to="/phone-system/users?package=inactive">See who they are.</Link>
        </Notice>
      )}
      {ranges.data?.length === 0 && (
        <Notice look="warn">
          There are no extension ranges yet, so no licence can be assigned.{" "}
          <Link to="/phone-system/extensions">Add a range</Link> first.
        </Notice>
      )}
      <div className="cards">
        {account.data && (
          <div className="card">
            <h2>Phone licences</h2>
            <Meter
              label="Assigned"
              used={Number(account.data.licensesAssigned)}
              of={Number(account.data.licenseSeats)}
              words={`${formatCount(account.data.licensesAssigned)} of ${formatCount(account.data.licenseSeats)}`}
            />
            <p>
              <Link to="/phone-system/users">Users &amp; Rooms</Link>
            </p>
          </div>
        )}
        {packages.data && (
          <div className="card">
            <h2>Packages</h2>
            {packages.data.length === 0 && <p className="muted">None yet.</p>}
            {packages.data.slice(0, 4).map((p) => (
              <Meter
                key={p.name}
                label={<PackageName name={p.displayName} inactive={p.state === "INACTIVE"} />}
                used={Number(p.assigned)}
                of={Number(p.seats)}
                words={`${formatCount(p.assigned)} of ${formatCount(p.seats)}`}
              />
            ))}
            <p>
              <Link to="/phone-system/packages">Packages</Link>
            </p>
          </div>
        )}
        {ranges.data && (
          <div className="card">
            <h2>Extensions</h2>
            {ranges.data.slice(0, 4).map((r) => (
              <Meter
                key={r.name}
                label={`${r.from}–${r.to} ${sites.get(r.name.slice(0, r.name.indexOf("/extensionRanges"))) ?? ""}`}
                used={Number(r.used)}
                of={Number(r.size)}
                words={`${formatCount(r.used)} of ${formatCount(r.size)}`}
              />
            ))}
            <p>
              <Link to="/phone-system/extensions">Extensions</Link>
            </p>
          </div>
        )}
      </div>
    </section>
  );
}
