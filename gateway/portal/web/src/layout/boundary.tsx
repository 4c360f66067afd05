import { Component, type ReactNode } from "react";
import { Button } from "../ui/controls";

interface Props {
  address: string;
  children: ReactNode;
}

interface State {
  failed: boolean;
  address: string;
}

/**
 * Stands in for a page that broke, most often because its file could not be fetched: the network is away, or the portal was
 * renewed meanwhile. What is around the page stays, and another address is tried anew.
 */
export class PageBoundary extends Component<Props, State> {
  override state: State = { failed: false, address: this.props.address };

  static getDerivedStateFromProps({ address }: Props, state: State): State | null {
    return address === state.address ? null : { failed: false, address };
  }

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <section className="page narrow">
        <h1>This page could not be opened</h1>
        <div className="notice danger" role="alert">
          <p>There may be no connection right now, or the portal was renewed meanwhile. Reload the page to try again.</p>
          <Button onPress={() => location.reload()}>Reload</Button>
        </div>
      </section>
    );
  }
}
