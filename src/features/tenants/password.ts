/**
 * What a password must be: long, and not one that everybody tries first. Pure. No rules about kinds of characters: they make
 * passwords harder to remember and no harder to guess (NIST SP 800-63B §3.1.1.2).
 */
export const PASSWORD_MIN = 12;
/** Longer ones are not hashed. */
export const PASSWORD_MAX = 1_024;

/** Common passwords of twelve characters and more, compared without case, spaces and digits at the end. */
const COMMON = new Set(
  `password passwordpassword passw0rd passw0rdpassw0rd mypassword thisismypassword changeme changemeplease changemenow
  letmein letmeinplease letmeinnow welcome welcomehome welcomewelcome iloveyou iloveyouso iloveyousomuch iloveyouforever
  qwertyuiop qwertyuiopas qwertyuiopasdf qwertyuiopasdfghjkl qwertyqwerty asdfghjkl asdfghjklzx asdfasdfasdf zxcvbnm
  zxcvbnmasdfghjkl qazwsxedcrfv qazwsxedc qwerasdfzxcv administrator adminadmin adminadminadmin adminpassword rootroot
  rootrootroot superuser superman batman football baseball basketball princess sunshine trustno trustnoone monkeymonkey
  dragondragon shadowshadow starwars unbelievable correcthorsebatterystaple notification carillon carilloncarillon
  secretpassword supersecret topsecret topsecretpassword testtesttest testpassword temporarypassword defaultpassword
  abcdefghijkl abcdefghijklm abcdefghijklmnop abcdefghijklmnopqrstuvwxyz abcabcabcabc`.split(/\s+/),
);

/** What is wrong with it, for the person; `undefined` when it will do. */
export function passwordFault(password: string, about: readonly string[] = []): string | undefined {
  if ([...password].length < PASSWORD_MIN)
    return `must be at least ${PASSWORD_MIN} characters long; a few words are fine`;
  const plain = password.toLowerCase().replace(/\s+/g, '');
  const stem = plain.replace(/[\d!?.#*_-]+$/, '');
  if (new Set(plain).size < 5 || COMMON.has(plain) || COMMON.has(stem) || isRun(plain))
    return 'is one of the passwords that are tried first; choose another';
  if (about.some((word) => plain === word.toLowerCase().replace(/\s+/g, '')))
    return 'must not be your name or your address; choose another';
  return undefined;
}

/** 123456789012, abcdefghijkl, and the same backwards. */
function isRun(text: string): boolean {
  const steps = new Set<number>();
  for (let i = 1; i < text.length; i++) steps.add((text.charCodeAt(i) - text.charCodeAt(i - 1) + 10) % 10);
  return steps.size === 1;
}
