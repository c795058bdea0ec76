/** The door of tenants: accounts, keys, people and their sessions. */
export type {
  Account,
  Headers,
  Keys,
  Page,
  Recovery,
  Session,
  Sessions,
  SignUp,
  Tenant,
  TenantSettings,
  TenantSubscriber,
  Tenants,
  User,
} from './door.ts';
export { tenantRoutes } from './routes.ts';
export type { KeyItem, KeyWithSecret, TenantItem, TenantLimits } from './schema.ts';
export { createKey, rotateKey, signUpForm, tenantSettings } from './schema.ts';
export type { TenantsDeps } from './service.ts';
export { createTenants } from './service.ts';
