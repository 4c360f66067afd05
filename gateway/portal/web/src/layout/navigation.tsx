import { NavLink } from "react-router";
import { useAccountId, useMayManage, useSession } from "../session/hooks";

interface Group {
  title: string;
  items: { to: string; label: string; also?: string }[];
}

const groups: Group[] = [
  {
    title: "Phone System Management",
    items: [
      { to: "/phone-system/users", label: "Users & Rooms", also: "/phone-system/rooms" },
      { to: "/phone-system/trash", label: "Trash" },
      { to: "/phone-system/import", label: "Import" },
      { to: "/phone-system/extensions", label: "Extensions" },
      { to: "/phone-system/packages", label: "Packages" },
      { to: "/phone-system/numbers", label: "Phone Numbers" },
      { to: "/phone-system/sites", label: "Sites & Templates" },
    ],
  },
  { title: "User Management", items: [{ to: "/user-management/users", label: "Users" }] },
  {
    title: "Account Management",
    items: [
      { to: "/account/log", label: "Account Log" },
      { to: "/account/settings", label: "Account Settings" },
    ],
  },
];

/** The navigation menu. The title of a group leads to its first page. */
export function Navigation({ onGo }: { onGo?: () => void }) {
  const session = useSession();
  const account = useAccountId();
  const mayManage = useMayManage();
  const look = ({ isActive }: { isActive: boolean }) => (isActive ? "nav-link current" : "nav-link");
  return (
    <nav aria-label="Main" className="nav">
      {session?.operator && (
        <NavLink to="/accounts" className={look} onClick={onGo}>
          Accounts
        </NavLink>
      )}
      {account && (
        <>
          <NavLink to="/" end className={look} onClick={onGo}>
            Overview
          </NavLink>
          {(mayManage ? groups : []).map((group) => (
            <div key={group.title} className="nav-group">
              <NavLink to={group.items[0]?.to ?? "/"} className="nav-title" onClick={onGo}>
                {group.title}
              </NavLink>
              <ul>
                {group.items.map((item) => (
                  <li key={item.to}>
                    <NavLink
                      to={item.to}
                      className={({ isActive }) => look({ isActive: isActive || location.pathname === item.also })}
                      onClick={onGo}
                    >
                      {item.label}
                    </NavLink>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </>
      )}
    </nav>
  );
}
