import type { ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { Button } from "./controls";
import { Icon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** Buttons, the one that goes on last. */
  footer: ReactNode;
  size?: "small" | "wide";
  /** Questions that must be answered say so to screen readers and do not close by a click outside. */
  alert?: boolean;
}

/** A dialog that is open as long as it is rendered. */
export function ModalDialog({ title, onClose, children, footer, size = "small", alert }: DialogProps) {
  return (
    <ModalOverlay isOpen isDismissable={!alert} onOpenChange={(open) => !open && onClose()} className="overlay">
      <Modal className={`modal ${size}`}>
        <Dialog className="dialog" role={alert ? "alertdialog" : "dialog"}>
          <header className="dialog-header">
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            <Button look="quiet" className="icon-button" aria-label="Close" onPress={onClose}>
              <Icon name="close" />
            </Button>
          </header>
          <div className="dialog-body">{children}</div>
          <footer className="dialog-footer">{footer}</footer>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
