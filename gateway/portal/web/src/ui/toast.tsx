import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from "react";
import { Button } from "./controls";
import { Icon } from "./icons";

const Context = createContext<(text: string) => void>(() => undefined);

/** Says that something was done: shows a line, and has it read out. */
export function useSay(): (text: string) => void {
  return useContext(Context);
}

const shownFor = 7000;

export function Toasts({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState({ text: "", at: 0 });
  const say = useCallback((text: string) => setToast({ text, at: Date.now() }), []);
  useEffect(() => {
    if (!toast.text) {
      return;
    }
    const timer = setTimeout(() => setToast({ text: "", at: 0 }), shownFor);
    return () => clearTimeout(timer);
  }, [toast]);
  return (
    <Context value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite" data-react-aria-top-layer>
        {toast.text && (
          <div className="toast" key={toast.at}>
            <span>{toast.text}</span>
            <Button
              look="quiet"
              className="icon-button small"
              aria-label="Dismiss"
              onPress={() => setToast({ text: "", at: 0 })}
            >
              <Icon name="close" />
            </Button>
          </div>
        )}
      </div>
    </Context>
  );
}
