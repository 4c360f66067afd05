import type { Package } from "../../api/client";
import type { PhoneUserRow } from "../../api/queries";
import type { Choice } from "../../ui/controls";
import { formatCount } from "../../ui/format";

/** The name of a package, with "(inactive)" in red where it cannot be used. */
export function PackageName({ name, inactive }: { name: string; inactive: boolean }) {
  return (
    <span>
      {name}
      {inactive && <span className="inactive"> (inactive)</span>}
    </span>
  );
}

export function packageChoices(packages: Package[] | undefined): Choice[] {
  return (packages ?? []).map((p) => {
    const inactive = p.state === "INACTIVE";
    return {
      id: p.name,
      label: <PackageName name={p.displayName} inactive={inactive} />,
      text: p.displayName + (inactive ? " (inactive)" : ""),
    };
  });
}

/** Packages that can be assigned, with the seats that are free. */
export function assignableChoices(packages: Package[] | undefined): Choice[] {
  return (packages ?? [])
    .filter((p) => p.state === "ACTIVE")
    .map((p) => {
      const free = Number(p.seats) - Number(p.assigned);
      return {
        id: p.name,
        text: p.displayName,
        label: (
          <span>
            {p.displayName} <span className="muted">{free > 0 ? `${formatCount(free)} free` : "none free"}</span>
          </span>
        ),
        disabled: free <= 0,
      };
    });
}

/** Says what is unusual about a phone user. */
export function StateNote({ row }: { row: Pick<PhoneUserRow, "state"> }) {
  switch (row.state) {
    case "PENDING":
      return <span className="badge">invited</span>;
    case "PROVISIONING":
      return <span className="badge">being set up</span>;
    case "TRASHED":
      return <span className="badge warn">in the trash</span>;
    default:
      return null;
  }
}
