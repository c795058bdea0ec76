/**
 * What STOP, START and HELP are called, whoever reads it. Pure. A word counts only when it is the whole message: "please stop
 * calling me that" is a sentence for a person to read. Letters are compared without case and accents; so are these lists.
 */

export type Word = 'stop' | 'start' | 'help';

/** One line a language; English first, as the carriers have it. */
const STOP = `
stop stopall unsubscribe cancel end quit revoke optout opt-out | stop all | opt out
berhenti unreg batal hentikan | berhenti langganan | berhenti berlangganan
alto parar pare cancelar baja | darme de baja | dar de baja | cancelar suscripcion
arret arreter desabonner desabonnement desinscrire desinscription | me desabonner | se desabonner
stopp abmelden abbestellen austragen beenden ende
sair descadastrar descadastre remover | cancelar inscricao
ferma fermare annulla disiscrivi disiscriviti disiscrivimi cancellami
stoppen afmelden uitschrijven
dur durdur iptal ret cik | iptal et | abonelikten cik
توقف ايقاف اوقف الغاء قف | الغاء الاشتراك
रोकें रोको रुकें बंद स्टॉप | बंद करें | बंद करो
停止 配信停止 解除 登録解除 ストップ 中止 退会
退订 退訂 取消订阅 取消訂閱 取消
수신거부 중지 중단 그만 해지 스톱
стоп отписаться отписка отмена відписатися
rezygnuje wypisz | wypisz mnie
avsluta avregistrera avslutt avmeld afmeld lopeta
σταματα διακοπη στοπ
หยุด ยกเลิก
הסר עצור הסירו
| huy dang ky | tu choi`;

const START = `
start yes unstop subscribe resume optin opt-in | opt in
mulai daftar
iniciar comenzar empezar reanudar suscribir
demarrer reprendre | s'abonner
starten anmelden
comecar reiniciar
inizia iscrivimi
aanmelden
basla baslat
ابدا اشتراك
शुरू चालू स्टार्ट | शुरू करें
開始 再開 スタート
开始 订阅 訂閱
시작 수신동의
старт подписаться`;

const HELP = `
help info
bantuan
ayuda
aide
hilfe
ajuda
aiuto
hulp
yardim
مساعدة
मदद
ヘルプ
帮助 幫助
도움말
помощь`;

/** Longer than the longest of them. */
const LONGEST = 40;

/** Case, accents, width, and what stands around are of no matter. Signs of scripts that are no accents stay. */
const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFD')
    .replace(/[\u0300-\u036f\u0640\u064b-\u0655]/g, '')
    .normalize('NFC')
    .replaceAll('ı', 'i')
    .replaceAll('\ufe0f', '')
    .replace(/[\u2019\u02bc]/g, "'")
    .replace(/\s+/g, ' ')
    .replace(/^[\s\p{P}\p{S}\p{Cf}]+|[\s\p{P}\p{S}\p{Cf}]+$/gu, '');

const read = (lines: string): string[] =>
  lines
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [words = '', ...phrases] = line.split('|');
      return [...words.trim().split(/\s+/), ...phrases.map((phrase) => phrase.trim())];
    })
    .filter((word) => word !== '')
    .map(plain);

const WORDS: ReadonlyMap<string, Word> = new Map([
  ...read(HELP).map((word) => [word, 'help'] as const),
  ...read(START).map((word) => [word, 'start'] as const),
  // Last: where a word could mean both, nobody is written to.
  ...read(STOP).map((word) => [word, 'stop'] as const),
]);

/** What this message is, if it is nothing but such a word. */
export const wordIn = (text: string): Word | undefined => (text.length > LONGEST ? undefined : WORDS.get(plain(text)));
