import { useCallback, useDeferredValue, useMemo, useState } from "react";
import { Link } from "react-router";
import { useBatchLimit } from "../../api/batch";
import { idOf, quoted } from "../../api/client";
import { namesOf, useAccount, usePackages, usePhoneUsers, useSites, type PhoneUserRow } from "../../api/queries";
import { useSession } from "../../session/hooks";
import { Button, Search, Select } from "../../ui/controls";
import { counted } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { ActionMenu, MenuButton, SharedMenu, type Action, type OpenMenu } from "../../ui/menu";
import { Empty, Problem, Waiting } from "../../ui/notice";
import { SelectedCount } from "../../ui/limit";
import { useSelection } from "../../ui/selection";
import { DataTable, type Column } from "../../ui/table";
import { AssignPackageDialog } from "./assign-package";
import { BatchDialog, type BatchKind } from "./batch";
import { all, inactive, useFilters } from "./filters";
import { packageChoices, StateNote } from "./labels";
import { useResendInvite } from "./resend";

const keyOf = (row: PhoneUserRow) => row.name;
const labelOf = (row: PhoneUserRow) => `Select ${row.displayName}`;
const selectable = (row: PhoneUserRow) => row.state === "ACTIVE";

interface Task {
  kind: BatchKind;
  rows: PhoneUserRow[];
}

interface Props {
  kind: "USER" | "ROOM";
  onAdd: () => void;
}

export function PhoneUserList({ kind, onAdd }: Props) {
  const { query, site, pack, set } = useFilters();
  const [task, setTask] = useState<Task | null>(null);
  const [assigning, setAssigning] = useState<PhoneUserRow | null>(null);
  const sites = useSites();
  const packages = usePackages();
  const account = useAccount();
  const filter = [
    `kind = ${kind}`,
    site !== all && `site = ${quoted(site)}`,
    pack === inactive && "packageState = INACTIVE",
    pack.startsWith("accounts/") && `package = ${quoted(pack)}`,
  ];
  const list = usePhoneUsers({ filter: filter.filter(Boolean).join(" AND "), query: useDeferredValue(query.trim()) });
  const most = useBatchLimit();
  const { selection, chosen, clear, keepFirst } = useSelection(most, keyOf, labelOf, list.rows, selectable);
  const softDelete = account.data?.policy?.softDelete === true;
  const mayChange = !useSession()?.operator;
  const [menu, setMenu] = useState<OpenMenu | null>(null);
  const { mutate: resendTo, reset: forgetResend, ...resend } = useResendInvite();
  const openMenu = useCallback(
    (at: OpenMenu) => {
      forgetResend();
      setMenu(at);
    },
    [forgetResend],
  );
  const columns = useColumns(kind, softDelete, mayChange, setTask, setAssigning, resendTo, openMenu);
  const filtered = query !== "" || site !== all || pack !== all;

  return (
    <>
      <div className="toolbar">
        <Search
          label={kind === "USER" ? "Search by name, e-mail or number" : "Search rooms"}
          value={query}
          onChange={(v) => set({ query: v })}
        />
        {(sites.data?.length ?? 0) > 1 && (
          <Select
            inline
            label="Site"
            value={site}
            onChange={(v) => set({ site: v })}
            choices={[
              { id: all, label: "All sites", text: "All sites" },
              ...(sites.data ?? []).map((s) => ({ id: s.name, label: s.displayName, text: s.displayName })),
            ]}
          />
        )}
        <Select
          inline
          label="Package"
          value={pack}
          onChange={(v) => set({ pack: v })}
          choices={[
            { id: all, label: "All packages", text: "All packages" },
            { id: inactive, label: <span className="inactive">All inactive</span>, text: "All inactive" },
            ...packageChoices(packages.data),
          ]}
        />
        <span className="spring" />
        <span className="count" role="status">
          {list.data ? counted(list.total, kind === "USER" ? "user" : "room", kind === "USER" ? "users" : "rooms") : ""}
        </span>
      </div>
      {chosen.length > 0 && (
        <div className="bulk-bar" role="toolbar" aria-label="Selected">
          <SelectedCount count={chosen.length} most={most} onKeep={keepFirst} />
          <ActionMenu
            button={
              <>
                Remove <Icon name="chevron" />
              </>
            }
            actions={chosen.length > most ? [] : bulkActions(kind, softDelete, chosen, setTask)}
          />
          <Button look="quiet" onPress={clear}>
            Clear
          </Button>
        </div>
      )}
      <Problem error={resend.error} about={resend.variables?.displayName} />
      {list.isError && <Problem error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Waiting />}
      {list.data && list.rows.length === 0 && (
        <Empty title={filtered ? "Nobody matches" : kind === "USER" ? "No phone users yet" : "No rooms with a phone yet"}>
          {filtered ? (
            <p>Search for something else, or take the filters away.</p>
          ) : (
            mayChange && (
              <Button onPress={onAdd}>{kind === "USER" ? "Assign licences to people" : "Assign licences to rooms"}</Button>
            )
          )}
        </Empty>
      )}
      {list.rows.length > 0 && (
        <DataTable
          label={kind === "USER" ? "Phone users" : "Rooms"}
          columns={columns}
          rows={list.rows}
          total={list.total}
          rowKey={keyOf}
          need={list.need}
          selection={mayChange ? selection : undefined}
          rowHeight={56}
        />
      )}
      {menu && <SharedMenu menu={menu} onClose={() => setMenu(null)} />}
      {assigning && <AssignPackageDialog phoneUser={assigning} onClose={() => setAssigning(null)} />}
      {task && (
        <BatchDialog
          kind={task.kind}
          rows={task.rows}
          onClose={(done) => {
            setTask(null);
            if (done) {
              clear();
            }
          }}
        />
      )}
    </>
  );
}

function bulkActions(kind: "USER" | "ROOM", softDelete: boolean, rows: PhoneUserRow[], start: (task: Task) => void): Action[] {
  const removal = kind === "USER" ? "remove" : "rooms";
  const trash: Action = { id: "trash", label: "Move to Trash", run: () => start({ kind: "trash", rows }) };
  return [
    {
      id: "remove",
      label: kind === "USER" ? "Remove Users" : "Remove Rooms",
      danger: true,
      run: () => start({ kind: removal, rows }),
    },
    ...(softDelete && kind === "USER" ? [trash] : []),
    { id: "packages", label: "Remove All Packages", run: () => start({ kind: "packages", rows }) },
  ];
}

function useColumns(
  kind: "USER" | "ROOM",
  softDelete: boolean,
  mayChange: boolean,
  start: (task: Task) => void,
  assign: (row: PhoneUserRow) => void,
  resend: (row: PhoneUserRow) => void,
  open: (menu: OpenMenu) => void,
): Column<PhoneUserRow>[] {
  const sites = useSites();
  const packages = usePackages();
  return useMemo(() => {
    const siteNames = namesOf(sites.data);
    const packageNames = namesOf(packages.data);
    const more = (row: PhoneUserRow): Action[] => [
      ...(kind === "USER" && !row.setupComplete ? [{ id: "resend", label: "Resend Invite", run: () => resend(row) }] : []),
      ...(softDelete && kind === "USER"
        ? [{ id: "trash", label: "Move to Trash", run: () => start({ kind: "trash", rows: [row] }) }]
        : []),
      ...(row.package
        ? [{ id: "packages", label: "Remove All Packages", run: () => start({ kind: "packages", rows: [row] }) }]
        : []),
      {
        id: "remove",
        label: "Remove",
        danger: true,
        run: () => start({ kind: kind === "USER" ? "remove" : "rooms", rows: [row] }),
      },
    ];
    return [
      {
        id: "name",
        header: "Name",
        className: "name",
        cell: (row) => (
          <div className="two-lines">
            <Link to={`/phone-system/users/${idOf(row.name)}`}>{row.displayName}</Link>
            <span className="muted narrow-only">
              <span className="number">{row.extensionNumber}</span>{" "}
              {row.packageState === "INACTIVE" && <span className="inactive">(inactive)</span>} {row.email}
            </span>
            {row.email !== row.displayName && (
              <span className="muted wide" title={row.email}>
                {row.email}
              </span>
            )}
            <StateNote row={row} />
          </div>
        ),
      },
      { id: "extension", header: "Extension", className: "number extension wide", cell: (row) => row.extensionNumber },
      { id: "site", header: "Site", className: "wide", cell: (row) => siteNames.get(row.site) },
      {
        id: "package",
        header: "Package",
        className: "package wide",
        cell: (row) =>
          row.package && (
            <div className="two-lines">
              <span title={packageNames.get(row.package)}>{packageNames.get(row.package) ?? "…"}</span>
              {row.packageState === "INACTIVE" && <span className="inactive"> (inactive)</span>}
            </div>
          ),
      },
      {
        id: "numbers",
        header: "Number",
        className: "number phone wide",
        cell: (row) => <Numbers numbers={row.phoneNumbers} />,
      },
      {
        id: "actions",
        header: <span className="hidden">Actions</span>,
        className: "actions",
        cell: (row) =>
          mayChange &&
          row.state === "ACTIVE" && (
            <>
              <span className="wide-inline">
                <MenuButton
                  className="button quiet"
                  label={`Assign to ${row.displayName}`}
                  actions={[{ id: "package", label: "Assign Package", run: () => assign(row) }]}
                  onOpen={open}
                >
                  Assign
                </MenuButton>
              </span>
              <MenuButton
                className="icon-button"
                label={`More for ${row.displayName}`}
                actions={[{ id: "package", label: "Assign Package", run: () => assign(row) }, ...more(row)]}
                onOpen={open}
              >
                <Icon name="more" />
              </MenuButton>
            </>
          ),
      },
    ];
  }, [kind, softDelete, mayChange, sites.data, packages.data, start, assign, resend, open]);
}

function Numbers({ numbers }: { numbers: string[] }) {
  return (
    <>
      {numbers[0]}
      {numbers.length > 1 && <span className="muted"> +{numbers.length - 1}</span>}
    </>
  );
}
