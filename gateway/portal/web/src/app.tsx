import { lazy, Suspense } from "react";
import { RouterProvider } from "react-aria-components";
import { Navigate, Outlet, Route, Routes, useHref, useLocation, useNavigate } from "react-router";
import { PageBoundary } from "./layout/boundary";
import { Layout } from "./layout/layout";
import { useAccountId, useMayManage, useSession } from "./session/hooks";
import { SignedIn, SignedOut, SignIn } from "./session/pages";
import { Waiting } from "./ui/notice";

// Each page is a file of its own, fetched when it is first opened.
const Setup = lazy(() => import("./pages/setup"));
const Confirm = lazy(() => import("./pages/confirm"));
const Home = lazy(() => import("./pages/home"));
const PhoneUsers = lazy(() => import("./pages/phone-users"));
const Profile = lazy(() => import("./pages/profile"));
const Trash = lazy(() => import("./pages/trash"));
const Import = lazy(() => import("./pages/import"));
const Extensions = lazy(() => import("./pages/extensions"));
const Packages = lazy(() => import("./pages/packages"));
const Numbers = lazy(() => import("./pages/numbers"));
const Sites = lazy(() => import("./pages/sites"));
const Directory = lazy(() => import("./pages/directory"));
const AccountLog = lazy(() => import("./pages/account-log"));
const AccountSettings = lazy(() => import("./pages/account-settings"));
const Accounts = lazy(() => import("./pages/accounts"));

export function App() {
  const navigate = useNavigate();
  return (
    <RouterProvider navigate={(to) => void navigate(to)} useHref={useHref}>
      <Routes>
        <Route element={<Bare />}>
          <Route path="/setup" element={<Setup />} />
          <Route path="/confirm" element={<Confirm />} />
          <Route path="/sign-in" element={<SignIn />} />
          <Route path="/signed-in" element={<SignedIn />} />
          <Route path="/signed-out" element={<SignedOut />} />
        </Route>
        <Route element={<Inside />}>
          <Route path="/" element={<Home />} />
          <Route path="/phone-system/users" element={<PhoneUsers tab="users" />} />
          <Route path="/phone-system/rooms" element={<PhoneUsers tab="rooms" />} />
          <Route path="/phone-system/users/:id" element={<Profile />} />
          <Route path="/phone-system/users/:id/:tab" element={<Profile />} />
          <Route path="/phone-system/trash" element={<Trash />} />
          <Route path="/phone-system/import" element={<Import />} />
          <Route path="/phone-system/import/:operation" element={<Import />} />
          <Route path="/phone-system/extensions" element={<Extensions />} />
          <Route path="/phone-system/packages" element={<Packages />} />
          <Route path="/phone-system/numbers" element={<Numbers />} />
          <Route path="/phone-system/sites" element={<Sites />} />
          <Route path="/user-management/users" element={<Directory />} />
          <Route path="/account/log" element={<AccountLog />} />
          <Route path="/account/settings" element={<AccountSettings />} />
          <Route path="/accounts" element={<Accounts />} />
          <Route path="*" element={<NotFound />} />
        </Route>
      </Routes>
    </RouterProvider>
  );
}

/** Pages that stand alone. */
function Bare() {
  const { pathname } = useLocation();
  return (
    <main className="bare">
      <PageBoundary address={pathname}>
        <Suspense fallback={<Waiting />}>
          <Outlet />
        </Suspense>
      </PageBoundary>
    </main>
  );
}

/** Pages that need somebody signed in, and an account that they are about. */
function Inside() {
  const session = useSession();
  const account = useAccountId();
  const mayManage = useMayManage();
  const { pathname, search } = useLocation();
  if (!session) {
    return <Navigate to={`/sign-in?to=${encodeURIComponent(pathname + search)}`} replace />;
  }
  if (!account && pathname !== "/accounts") {
    return <Navigate to="/accounts" replace />;
  }
  return (
    <Layout>
      <PageBoundary address={pathname}>
        <Suspense fallback={<Waiting />}>{mayManage ? <Outlet /> : <NotAdministrator />}</Suspense>
      </PageBoundary>
    </Layout>
  );
}

function NotAdministrator() {
  return (
    <section className="page narrow">
      <h1>Nothing to see here</h1>
      <p>
        Phone users are managed by owners and administrators of the account. Ask one of them to make you an administrator, and
        sign in again.
      </p>
    </section>
  );
}

function NotFound() {
  return (
    <section className="page narrow">
      <h1>This page does not exist</h1>
      <p>Choose one in the navigation menu.</p>
    </section>
  );
}
