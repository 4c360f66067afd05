import { useState } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useLocation, useNavigate, useNavigationType } from "react-router";
import { useSession } from "../session/hooks";
import { Button } from "../ui/controls";
import { Icon } from "../ui/icons";
import { useTitle } from "../ui/title";
import { AddDialog } from "./phone-users/add";
import { PhoneUserList } from "./phone-users/list";

/** Phone System Management → Users & Rooms. */
export default function PhoneUsers({ tab }: { tab: "users" | "rooms" }) {
  useTitle("Users & Rooms");
  const navigate = useNavigate();
  const session = useSession();
  const [adding, setAdding] = useState(false);
  const arrival = useArrival();
  return (
    <section className="page fill">
      <header className="page-header">
        <h1>Users &amp; Rooms</h1>
        {!session?.operator && (
          <Button look="primary" onPress={() => setAdding(true)}>
            <Icon name="plus" /> Add
          </Button>
        )}
      </header>
      <Tabs className="tabs fill" selectedKey={tab} onSelectionChange={(key) => void navigate(`/phone-system/${key}`)}>
        <TabList className="tab-list" aria-label="Users and rooms">
          <Tab id="users" className="tab">
            Users
          </Tab>
          <Tab id="rooms" className="tab">
            Rooms
          </Tab>
        </TabList>
        <TabPanel id="users" className="tab-panel fill">
          <PhoneUserList key={arrival} kind="USER" onAdd={() => setAdding(true)} />
        </TabPanel>
        <TabPanel id="rooms" className="tab-panel fill">
          <PhoneUserList key={arrival} kind="ROOM" onAdd={() => setAdding(true)} />
        </TabPanel>
      </Tabs>
      {adding && <AddDialog kind={tab === "rooms" ? "ROOM" : "USER"} onClose={() => setAdding(false)} />}
    </section>
  );
}

/** Changes where somebody comes here by a link, which begins anew, and not where the list writes its filters into the address. */
function useArrival(): string {
  const { key } = useLocation();
  const type = useNavigationType();
  const [arrival, setArrival] = useState(key);
  if (type !== "REPLACE" && key !== arrival) {
    setArrival(key);
  }
  return arrival;
}
