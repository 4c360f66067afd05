import { useEffect, useRef, useState, type ReactNode } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { useLocation, useNavigate } from "react-router";
import { useAccount } from "../api/queries";
import { useSession } from "../session/hooks";
import { signOut } from "../session/oidc";
import { Button } from "../ui/controls";
import { Icon } from "../ui/icons";
import { ActionMenu } from "../ui/menu";
import { Navigation } from "./navigation";
import { applyTheme, isDark } from "./theme";

/** What is around every page: the navigation menu, the account, and who is signed in. */
export function Layout({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const arrived = useRef(pathname);
  useEffect(() => {
    // After going to another page, keyboards and screen readers begin at its top; a tab that was changed to keeps the focus.
    if (arrived.current !== pathname) {
      arrived.current = pathname;
      if (!main.current?.contains(document.activeElement)) {
        main.current?.focus();
      }
    }
  }, [pathname]);
  return (
    <div className="app">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <TopBar onMenu={() => setOpen(true)} />
      <aside className="sidebar">
        <Navigation />
      </aside>
      {open && (
        <ModalOverlay isOpen isDismissable onOpenChange={setOpen} className="overlay drawer-overlay">
          <Modal className="drawer">
            <Dialog className="dialog" aria-label="Navigation">
              <Button look="quiet" className="icon-button drawer-close" aria-label="Close" onPress={() => setOpen(false)}>
                <Icon name="close" />
              </Button>
              <Navigation onGo={() => setOpen(false)} />
            </Dialog>
          </Modal>
        </ModalOverlay>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function TopBar({ onMenu }: { onMenu: () => void }) {
  const session = useSession();
  const account = useAccount();
  const navigate = useNavigate();
  const [dark, setDark] = useState(isDark);
  const leave = () =>
    signOut().then(
      () => navigate("/signed-out"),
      () => navigate("/signed-out"),
    );
  const actions = [
    ...(session?.operator ? [{ id: "accounts", label: "Accounts", run: () => void navigate("/accounts") }] : []),
    { id: "leave", label: "Sign out", run: () => void leave() },
  ];
  return (
    <header className="topbar">
      <Button look="quiet" className="icon-button menu-button" aria-label="Navigation menu" onPress={onMenu}>
        <Icon name="menu" />
      </Button>
      <img src="/favicon.svg" alt="" width="28" height="28" />
      <span className="brand">Switchboard</span>
      {account.data && <span className="account-name">{account.data.displayName}</span>}
      <span className="spring" />
      <Button
        look="quiet"
        className="icon-button"
        aria-label={dark ? "Light colours" : "Dark colours"}
        onPress={() => {
          applyTheme(dark ? "light" : "dark");
          setDark(!dark);
        }}
      >
        <Icon name={dark ? "sun" : "moon"} />
      </Button>
      <ActionMenu
        className="button quiet person"
        label={`${session?.name ?? ""}, ${session?.operator ? "operator" : (session?.role.toLowerCase() ?? "")}`}
        button={
          <>
            <span className="person-name">{session?.name}</span>
            <Icon name="chevron" />
          </>
        }
        actions={actions}
      />
    </header>
  );
}
