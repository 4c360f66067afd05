import { useMemo, type ReactNode } from "react";
import { Button, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";

export interface Action {
  id: string;
  label: ReactNode;
  /** What the label says, where it is more than a text. */
  text?: string;
  danger?: boolean;
  run: () => void;
}

interface Props {
  /** What the button says to screen readers where it shows an icon only. */
  label?: string;
  button: ReactNode;
  className?: string;
  actions: Action[];
}

/** A button that opens a list of actions. */
export function ActionMenu({ label, button, className = "button plain", actions }: Props) {
  return (
    <MenuTrigger>
      <Button className={className} aria-label={label} isDisabled={actions.length === 0}>
        {button}
      </Button>
      <Popover className="popover" placement="bottom end">
        <Actions actions={actions} />
      </Popover>
    </MenuTrigger>
  );
}

function Actions({ actions, label }: { actions: Action[]; label?: string }) {
  return (
    <Menu
      className="list-box"
      aria-label={label}
      autoFocus={label ? "first" : undefined}
      onAction={(id) => actions.find((a) => a.id === id)?.run()}
    >
      {actions.map((action) => (
        <MenuItem
          key={action.id}
          id={action.id}
          textValue={action.text ?? (typeof action.label === "string" ? action.label : action.id)}
          className={action.danger ? "list-item danger" : "list-item"}
        >
          {action.label}
        </MenuItem>
      ))}
    </Menu>
  );
}

/** A menu that is open at one of the buttons of a long list. */
export interface OpenMenu {
  at: HTMLElement;
  label: string;
  actions: Action[];
}

/** A button of a long list, which shares one menu: a menu for each of many rows would make scrolling slow. */
export function MenuButton(props: {
  label: string;
  className: string;
  children: ReactNode;
  actions: Action[];
  onOpen: (menu: OpenMenu) => void;
}) {
  const { label, actions, onOpen } = props;
  return (
    <button
      type="button"
      className={props.className}
      aria-label={label}
      aria-haspopup="menu"
      onClick={(event) => onOpen({ at: event.currentTarget, label, actions })}
    >
      {props.children}
    </button>
  );
}

/** The menu that such buttons share. */
export function SharedMenu({ menu, onClose }: { menu: OpenMenu; onClose: () => void }) {
  const trigger = useMemo(() => ({ current: menu.at }), [menu.at]);
  const actions = menu.actions.map((action) => ({
    ...action,
    run: () => {
      onClose();
      action.run();
    },
  }));
  return (
    <Popover
      className="popover"
      placement="bottom end"
      aria-label={menu.label}
      isOpen
      triggerRef={trigger}
      onOpenChange={(open) => !open && onClose()}
    >
      <Actions actions={actions} label={menu.label} />
    </Popover>
  );
}
