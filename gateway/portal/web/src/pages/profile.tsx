import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { Link, useNavigate, useParams } from "react-router";
import { usePhoneUser } from "../api/queries";
import { Icon } from "../ui/icons";
import { Problem, Waiting } from "../ui/notice";
import { useTitle } from "../ui/title";
import { LogTable } from "./log-table";
import { StateNote } from "./phone-users/labels";
import { ProfileTab } from "./profile/profile-tab";
import { SettingsTab } from "./profile/settings-tab";
import { quoted } from "../api/client";

/** One phone user: profile, settings, history. */
export default function Profile() {
  const { id = "", tab = "profile" } = useParams();
  const navigate = useNavigate();
  const phoneUser = usePhoneUser(id);
  const p = phoneUser.data;
  useTitle(p?.displayName ?? "Phone user");
  const list =
    p?.kind === "ROOM" ? "/phone-system/rooms" : p?.state === "TRASHED" ? "/phone-system/trash" : "/phone-system/users";
  return (
    <section className="page medium">
      <Link className="back" to={list}>
        <Icon name="back" /> {p?.kind === "ROOM" ? "Rooms" : p?.state === "TRASHED" ? "Trash" : "Users"}
      </Link>
      {phoneUser.isPending && <Waiting />}
      <Problem error={phoneUser.error} retry={() => void phoneUser.refetch()} />
      {p && (
        <>
          <header className="page-header">
            <h1>
              {p.displayName} <StateNote row={p} />
            </h1>
          </header>
          <Tabs
            className="tabs"
            selectedKey={tab}
            onSelectionChange={(key) => void navigate(`/phone-system/users/${id}${key === "profile" ? "" : `/${key}`}`)}
          >
            <TabList className="tab-list" aria-label={p.displayName}>
              <Tab id="profile" className="tab">
                Profile
              </Tab>
              <Tab id="settings" className="tab">
                User Settings
              </Tab>
              <Tab id="history" className="tab">
                History
              </Tab>
            </TabList>
            <TabPanel id="profile" className="tab-panel">
              <ProfileTab phoneUser={p} />
            </TabPanel>
            <TabPanel id="settings" className="tab-panel">
              <SettingsTab key={p.etag} phoneUser={p} />
            </TabPanel>
            <TabPanel id="history" className="tab-panel tall">
              <LogTable filter={`phoneUser = ${quoted(p.name)}`} label="History" ofOne />
            </TabPanel>
          </Tabs>
        </>
      )}
    </section>
  );
}
