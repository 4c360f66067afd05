import { useId, type FormEvent, type ReactNode } from "react";
import { Button } from "./controls";
import { ModalDialog } from "./dialog";
import { Problem } from "./notice";

interface FormDialogProps {
  title: string;
  onClose: () => void;
  /** What happens on the last button, a mutation that needs nothing but the fields' own state. */
  save: { mutate: () => void; isPending: boolean; error: unknown };
  /** Whether enough is filled in. */
  isReady: boolean;
  /** The last button's words. */
  action?: string;
  /** What a batch was about, for words about one item of it; see Problem. */
  names?: string[];
  size?: "small" | "wide";
  /** The fields. */
  children: ReactNode;
}

/** A dialog with a form, one button to give up and one to save, and the reason where saving did not work. */
export function FormDialog({ title, onClose, save, isReady, action = "Save", names, size, children }: FormDialogProps) {
  const form = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <ModalDialog
      title={title}
      onClose={onClose}
      {...(size && { size })}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit" form={form} isDisabled={!isReady} isPending={save.isPending}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} className="stack" onSubmit={submit}>
        {children}
        <Problem error={save.error} {...(names && { names })} />
      </form>
    </ModalDialog>
  );
}
