// The library's controls with the portal's look; what they do for keyboards and screen readers is React Aria's.
import type { ReactNode } from "react";
import {
  Button as AriaButton,
  type ButtonProps as AriaButtonProps,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  SearchField as AriaSearchField,
  Select as AriaSelect,
  SelectValue,
  Switch as AriaSwitch,
  Text,
  TextArea,
  TextField as AriaTextField,
  type TextFieldProps as AriaTextFieldProps,
} from "react-aria-components";
import { Icon } from "./icons";

interface ButtonProps extends AriaButtonProps {
  look?: "plain" | "primary" | "danger" | "quiet";
}

/**
 * While a button is pending it keeps the focus and does nothing. The library's own way of that announces the button by its id, which
 * points nowhere when what was asked for takes the button off the page.
 */
export function Button({ look = "plain", className, isPending, onPress, type, ...props }: ButtonProps) {
  return (
    <AriaButton
      {...props}
      {...(isPending && { "aria-disabled": true, "data-pending": true })}
      type={isPending ? "button" : type}
      onPress={isPending ? undefined : onPress}
      className={`button ${look} ${typeof className === "string" ? className : ""}`}
    />
  );
}

interface TextFieldProps extends Omit<AriaTextFieldProps, "children"> {
  label: string;
  hint?: ReactNode;
  error?: string;
  rows?: number;
  placeholder?: string;
  suggestions?: string[];
}

export function TextField({ label, hint, error, rows, placeholder, suggestions, ...props }: TextFieldProps) {
  const list = suggestions && `suggestions-${label.replace(/\W/g, "")}`;
  return (
    <AriaTextField validationBehavior="aria" {...props} isInvalid={!!error || !!props.isInvalid} className="field">
      <Label>{label}</Label>
      {rows ? <TextArea rows={rows} placeholder={placeholder} /> : <Input placeholder={placeholder} list={list} />}
      {list && (
        <datalist id={list}>
          {suggestions.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      {hint && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </AriaTextField>
  );
}

export interface Choice {
  id: string;
  label: ReactNode;
  /** What the label says, for typing ahead and reading aloud. */
  text: string;
  disabled?: boolean;
}

interface SelectProps {
  label: string;
  choices: Choice[];
  value: string;
  onChange: (id: string) => void;
  hint?: ReactNode;
  isRequired?: boolean;
  error?: string;
  /** The label stands before the value, inside the button. */
  inline?: boolean;
  placeholder?: string;
}

export function Select({ label, choices, value, onChange, hint, isRequired, error, inline, placeholder }: SelectProps) {
  return (
    <AriaSelect
      className={inline ? "field inline" : "field"}
      value={value}
      onChange={(key) => onChange(String(key ?? ""))}
      isRequired={isRequired}
      isInvalid={!!error}
      // Natively, a field that was refused once would keep the form from being sent again.
      validationBehavior="aria"
      placeholder={placeholder}
      disabledKeys={choices.filter((c) => c.disabled).map((c) => c.id)}
    >
      <Label>{label}</Label>
      <AriaButton className="select-button">
        <SelectValue />
        <Icon name="chevron" />
      </AriaButton>
      {hint && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
      <Popover className="popover">
        <ListBox items={choices} className="list-box">
          {(choice) => (
            <ListBoxItem id={choice.id} textValue={choice.text} className="list-item">
              {choice.label}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  autoFocus?: boolean;
}

export function Search({ label, placeholder, ...props }: SearchProps) {
  return (
    <AriaSearchField {...props} aria-label={label} className="search" maxLength={200}>
      <Icon name="search" />
      <Input placeholder={placeholder ?? label} />
      <AriaButton className="icon-button small" aria-label="Clear">
        <Icon name="close" />
      </AriaButton>
    </AriaSearchField>
  );
}

interface ToggleProps {
  label: ReactNode;
  hint?: ReactNode;
  isSelected: boolean;
  onChange: (on: boolean) => void;
  isDisabled?: boolean;
}

export function Toggle({ label, hint, ...props }: ToggleProps) {
  return (
    <div className="toggle-row">
      <AriaSwitch {...props} className="toggle">
        <span className="toggle-track" aria-hidden="true" />
        <span>{label}</span>
      </AriaSwitch>
      {hint && <p className="hint">{hint}</p>}
    </div>
  );
}

/** A plain check box; lists have many of them. */
export function Check(props: {
  label: string;
  checked: boolean;
  onChange: () => void;
  disabled?: boolean;
  mixed?: boolean;
  /** The id of what says why it is disabled. */
  describedBy?: string | undefined;
}) {
  return (
    <label className="check-cell">
      <input
        type="checkbox"
        aria-label={props.label}
        aria-describedby={props.describedBy}
        checked={props.checked}
        disabled={props.disabled}
        ref={(box) => {
          if (box) {
            box.indeterminate = !!props.mixed;
          }
        }}
        onChange={props.onChange}
      />
    </label>
  );
}
