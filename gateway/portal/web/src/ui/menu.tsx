import type { ReactNode } from "react";
import { Button, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";

export interface Action {
  id: string;
  label: string;
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
        <Menu className="list-box" onAction={(id) => actions.find((a) => a.id === id)?.run()}>
          {actions.map((action) => (
            <MenuItem key={action.id} id={action.id} className={action.danger ? "list-item danger" : "list-item"}>
              {action.label}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
