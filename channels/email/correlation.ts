/**
 * Which message a word from outside speaks of. Ours carry their reference in the Message-ID and, where a service hands its
 * own variables back, there too; services that write a Message-ID of their own leave us the variable.
 */

/** The name of our variable at every service. */
export const VARIABLE = 'reference';

const REFERENCE = /^msg_[0-9A-Za-z]{1,40}$/;

export interface About {
  readonly providerId?: string;
  readonly reference?: string;
}

/** `undefined`: of none that we could know. The Message-ID may come with or without its brackets. */
export function aboutOf(messageId: string | undefined, variable?: string): About | undefined {
  const bare = messageId?.trim().replace(/^<|>$/g, '');
  const reference = [variable, bare?.split('@')[0]].find((one) => one !== undefined && REFERENCE.test(one));
  if (!bare && !reference) return undefined;
  return { ...(bare ? { providerId: `<${bare}>` } : {}), ...(reference ? { reference } : {}) };
}
