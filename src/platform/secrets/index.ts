export { addSecret, liveSecrets, liveSecretsIn, secretStates, useSecret } from './secret-ring.ts'
export type { LiveSecret, SecretOwner, SecretState } from './secret-ring.ts'
export { retireSecret, rotateSecret } from './rotate-secret.ts'
export type { RotatedSecret } from './rotate-secret.ts'
