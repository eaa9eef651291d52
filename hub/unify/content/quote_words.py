"""Words that mail programs and people put around quoted messages, in some thirty languages.

Data only, lower case unless case matters; :mod:`hub.unify.content.quote_marks` makes patterns of
it. A new language is a few words here and an example in the tests.
"""

#: "wrote": tells an attribution from any other line with a date and a colon. Whole words (a
#: longer ending is allowed: написал, написала).
VERBS = (
    "wrote", "writes", "schrieb", "schreibt", "écrit", "escribió", "escribio", "escreveu",
    "scritto", "scrive", "schreef", "geschreven", "skrev", "skrifaði", "skrifar", "napisał",
    "napísal", "napsal", "napisao", "napisala", "kirjoitti", "yazdı", "написал", "написав",
    "писал", "пишет", "пише", "написа", "έγραψε", "írta", "escrigué", "idatzi", "escribiu",
    "va escriure", "a scris", "menulis", "đã viết", "rakstīja", "parašė", "kirjutas", "shkroi",
    "said",
)  # fmt: skip

#: The same in scripts without spaces.
UNSPACED_VERBS = (
    "写道", "寫道", "写到", "のメール", "書きました", "작성", "כתב", "كتب", "เขียน",
)  # fmt: skip

#: "On …": first words of attributions; case is ignored.
STARTERS = (
    "On", "At", "Am", "Im", "Vom", "Le", "El", "Il", "La", "Em", "Op", "På", "Den", "Dne", "Dňa",
    "Dnia", "V", "U", "A", "Na", "Vào", "Pada", "În", "Στις", "Ar", "Kl", "Data", "في", "ב", "В",
    "На", "在", "於", "于", "W dniu", "El dia",
)  # fmt: skip

#: Header names of quoted mails.
FROM_FIELDS = (
    "de la", "from", "von", "de", "da", "van", "från", "fra", "od", "от", "від", "lähettäjä",
    "kimden", "feladó", "expéditeur", "remitente", "mittente", "odesílatel", "odosielateľ",
    "avsender", "afsender", "nadawca", "gönderen", "dari", "desde", "发件人", "寄件者", "寄件人",
    "發件人", "發送者", "差出人", "보낸사람", "보낸", "만든사람", "από", "מאת", "من", "pengirim",
    "saatja",
)  # fmt: skip

#: See ``FROM_FIELDS``.
DATE_FIELDS = (
    "date d'envoi", "enviado el", "gönderilme tarihi", "đã gửi", "보낸 날짜", "sent on",
    "date et heure", "date", "sent", "datum", "gesendet", "envoyé", "envoyée", "fecha", "enviado",
    "data", "inviato", "verzonden", "skickat", "sendt", "dato", "wysłano", "odesláno", "odoslané",
    "дата", "отправлено", "надіслано", "lähetetty", "päivämäärä", "päiväys", "tarih",
    "gönderildi", "elküldve", "dátum", "trimis", "dikirim", "tanggal", "发送时间", "日期", "时间",
    "發送時間", "寄件日期", "傳送時間", "發送日期", "日時", "送信日時", "보낸날짜", "날짜",
    "ημερομηνία", "στάλθηκε", "תאריך", "نشلح", "التاريخ", "inviata",
)  # fmt: skip

#: See ``FROM_FIELDS``.
TO_FIELDS = (
    "받는 사람", "to", "an", "à", "a", "para", "naar", "aan", "till", "til", "do", "komu", "кому",
    "vastaanottaja", "kime", "címzett", "către", "kepada", "pentru", "收件人", "收件者", "宛先",
    "받는사람", "προς", "אל", "إلى", "destinataire", "destinatario", "pro", "alıcı",
)  # fmt: skip

#: See ``FROM_FIELDS``.
CC_FIELDS = (
    "cc", "kopie", "copie", "kopia", "kopi", "copia", "抄送", "副本", "抄送人", "копия", "dw",
    "kopio", "ccn", "bcc", "密送", "참조", "reply-to",
)  # fmt: skip

#: See ``FROM_FIELDS``.
SUBJECT_FIELDS = (
    "chủ đề", "subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "ämne",
    "emne", "temat", "předmět", "predmet", "тема", "aihe", "konu", "tárgy", "subiect", "perihal",
    "judul", "主题", "主旨", "主題", "件名", "제목", "θέμα", "נושא", "الموضوع", "teema",
)  # fmt: skip

#: Between dashes above an answered mail.
ORIGINAL = (
    "original message", "original email", "original mail", "原始邮件", "原始郵件", "原邮件",
    "原文", "ursprüngliche nachricht", "original-nachricht", "originalnachricht",
    "message d'origine", "message original", "mensaje original", "mensagem original",
    "messaggio originale", "oorspronkelijk bericht", "originalmeddelande",
    "ursprungligt meddelande", "oprindelig besked", "oprindelig meddelelse",
    "opprinnelig melding", "oryginalna wiadomość", "wiadomość oryginalna", "původní zpráva",
    "исходное сообщение", "пересылаемое сообщение", "alkuperäinen viesti", "orijinal mesaj",
    "orijinal ileti", "eredeti üzenet", "mesaj original", "pesan asli", "元のメッセージ",
    "원본 메시지", "reply message", "回复的原邮件", "in reply to", "antwort",
)  # fmt: skip

#: Between dashes above a forwarded mail.
FORWARDED = (
    "forwarded message", "forwarded by", "forwarded email", "weitergeleitete nachricht",
    "message transféré", "mensaje reenviado", "mensagem encaminhada", "messaggio inoltrato",
    "doorgestuurd bericht", "vidarebefordrat meddelande", "videresendt besked",
    "videresendt melding", "przekazana wiadomość", "wiadomość przekazana",
    "пересланное сообщение", "转发的邮件", "转发的信息", "转发的消息", "转发邮件", "转发信息",
    "转发消息", "轉寄的郵件", "轉寄的訊息", "轉寄郵件", "轉寄訊息", "转发邮件信息",
    "転送メッセージ", "전달된 메시지",
)  # fmt: skip

#: On a line of their own, before a colon, above a forwarded mail.
BEGIN_FORWARDED = (
    "begin forwarded message", "anfang der weitergeleiteten nachricht",
    "début du message transféré", "début du message réexpédié", "inizio messaggio inoltrato",
    "inicio del mensaje reenviado", "início da mensagem reencaminhada",
    "início da mensagem encaminhada", "begin doorgestuurd bericht", "开始转发的邮件",
    "以下是轉寄的郵件", "转发的邮件",
)  # fmt: skip

#: How lines begin that a phone or program adds.
DEVICE_STARTS = (
    "sent from my", "sent from the", "sent from mail", "sent from yahoo", "sent from outlook",
    "sent from proton", "sent from samsung", "sent from gmail", "sent from iphone",
    "sent from ipad", "sent from android", "sent from mobile", "sent from aol",
    "sent from blackberry", "sent from huawei", "sent from xiaomi", "sent via", "sent using",
    "sent with", "get outlook for", "envoyé de", "envoyé depuis", "envoyé à partir",
    "gesendet von", "gesendet mit", "gesendet aus", "enviado desde", "enviado do", "enviado da",
    "enviado de", "inviato da", "verstuurd vanaf", "verzonden vanaf", "verzonden met",
    "verzonden via", "skickat från", "sendt fra", "lähetetty puhelimesta", "lähetetty iphone",
    "wysłano z", "wysłane z", "odesláno z", "отправлено с", "отправлено из", "надіслано з",
    "надіслано із", "iphone'umdan", "发自我的", "發自我的", "发自 iphone", "发自iphone",
    "发自手机", "发自qq", "发自网易", "发自vivo", "发自oppo", "发自华为", "发自小米",
    "发自foxmail", "发自企业", "iphoneから送信", "나의 iphone에서",
)  # fmt: skip

#: Closing formulas that stand alone on a line above the name.
CLOSINGS = (
    "regards", "kind regards", "best regards", "warm regards", "best wishes", "yours sincerely",
    "yours faithfully", "yours truly", "sincerely", "mit freundlichen grüßen",
    "mit freundlichem gruß", "freundliche grüße", "viele grüße", "beste grüße", "mfg", "vg",
    "cordialement", "bien cordialement", "saludos cordiales", "un saludo", "atentamente",
    "atenciosamente", "cordiali saluti", "distinti saluti", "met vriendelijke groet",
    "met vriendelijke groeten", "mvg", "mvh", "kh", "vh", "hilsen", "venlig hilsen",
    "med venlig hilsen", "med vänlig hälsning", "vänliga hälsningar", "med vennlig hilsen",
    "vennlig hilsen", "pozdrawiam", "z poważaniem", "z powazaniem", "s pozdravem", "с уважением",
    "此致", "此致敬礼", "顺祝商祺", "顺颂商祺",
)  # fmt: skip
