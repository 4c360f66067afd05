package demo

// name is a name in its own script and as it is spelt in an e-mail address.
type name struct{ native, latin string }

// culture is how some of the people are named. All people are fictional: names are put together from common ones.
type culture struct {
	given, family []name
}

// cultures cover the scripts that a directory must cope with: several Latin alphabets, right-to-left ones, ones without letter
// case, ones with combining marks, and ones that need three or four bytes a character.
var cultures = []culture{
	{ // English
		given:  []name{{"Ada", "ada"}, {"Oliver", "oliver"}, {"Grace", "grace"}, {"Henry", "henry"}, {"Zoë", "zoe"}},
		family: []name{{"Whitfield", "whitfield"}, {"O'Connell", "oconnell"}, {"Barrow-Lane", "barrow-lane"}, {"Marsh", "marsh"}},
	},
	{ // Portuguese
		given:  []name{{"João", "joao"}, {"Inês", "ines"}, {"Gonçalo", "goncalo"}, {"Conceição", "conceicao"}, {"Luís", "luis"}},
		family: []name{{"Araújo", "araujo"}, {"Simões", "simoes"}, {"da Conceição Neves", "neves"}, {"Magalhães", "magalhaes"}},
	},
	{ // German
		given:  []name{{"Jürgen", "juergen"}, {"Änne", "aenne"}, {"Björn", "bjoern"}, {"Käthe", "kaethe"}, {"Götz", "goetz"}},
		family: []name{{"Großmann", "grossmann"}, {"Müller-Lüdenscheidt", "mueller"}, {"Weiß", "weiss"}, {"Schönfeld", "schoenfeld"}},
	},
	{ // Polish
		given:  []name{{"Łukasz", "lukasz"}, {"Małgorzata", "malgorzata"}, {"Zbigniew", "zbigniew"}, {"Święta", "swieta"}, {"Jędrzej", "jedrzej"}},
		family: []name{{"Wiśniewska", "wisniewska"}, {"Dąbrowski", "dabrowski"}, {"Brzęczyk", "brzeczyk"}, {"Żółkiewski", "zolkiewski"}},
	},
	{ // Turkish: i and ı are different letters
		given:  []name{{"Işıl", "isil"}, {"İbrahim", "ibrahim"}, {"Çiğdem", "cigdem"}, {"Ömer", "omer"}, {"Gülşen", "gulsen"}},
		family: []name{{"Yıldız", "yildiz"}, {"Öztürk", "ozturk"}, {"Çelik", "celik"}, {"Aydın", "aydin"}},
	},
	{ // Vietnamese: two marks on a letter
		given:  []name{{"Thị Hương", "huong"}, {"Văn Đức", "duc"}, {"Minh Tuấn", "tuan"}, {"Ngọc Ánh", "anh"}, {"Quốc Việt", "viet"}},
		family: []name{{"Nguyễn", "nguyen"}, {"Trần", "tran"}, {"Phạm", "pham"}, {"Đặng", "dang"}},
	},
	{ // Icelandic
		given:  []name{{"Þórunn", "thorunn"}, {"Ævar", "aevar"}, {"Guðrún", "gudrun"}, {"Sigurður", "sigurdur"}, {"Ásdís", "asdis"}},
		family: []name{{"Jónsdóttir", "jonsdottir"}, {"Þorsteinsson", "thorsteinsson"}, {"Ólafsdóttir", "olafsdottir"}, {"Björnsson", "bjornsson"}},
	},
	{ // Greek
		given:  []name{{"Ελένη", "eleni"}, {"Γιώργος", "giorgos"}, {"Σοφία", "sofia"}, {"Νίκος", "nikos"}, {"Αθηνά", "athina"}},
		family: []name{{"Παπαδοπούλου", "papadopoulou"}, {"Οικονόμου", "oikonomou"}, {"Βλάχος", "vlachos"}, {"Καραγιάννης", "karagiannis"}},
	},
	{ // Ukrainian
		given:  []name{{"Оксана", "oksana"}, {"Богдан", "bohdan"}, {"Їжак", "yizhak"}, {"Юрій", "yurii"}, {"Соломія", "solomiia"}},
		family: []name{{"Шевчук", "shevchuk"}, {"Коваленко", "kovalenko"}, {"Гончар", "honchar"}, {"Ґедзь", "gedz"}},
	},
	{ // Georgian
		given:  []name{{"ნინო", "nino"}, {"გიორგი", "giorgi"}, {"თამარი", "tamari"}, {"ლევანი", "levani"}, {"ქეთევანი", "ketevani"}},
		family: []name{{"ბერიძე", "beridze"}, {"კაპანაძე", "kapanadze"}, {"ლომიძე", "lomidze"}, {"მაისურაძე", "maisuradze"}},
	},
	{ // Armenian
		given:  []name{{"Անահիտ", "anahit"}, {"Հայկ", "hayk"}, {"Լուսինե", "lusine"}, {"Տիգրան", "tigran"}, {"Նարե", "nare"}},
		family: []name{{"Պետրոսյան", "petrosyan"}, {"Հակոբյան", "hakobyan"}, {"Սարգսյան", "sargsyan"}, {"Գրիգորյան", "grigoryan"}},
	},
	{ // Arabic, right to left
		given:  []name{{"ليلى", "layla"}, {"يوسف", "yusuf"}, {"فاطمة", "fatima"}, {"خالد", "khalid"}, {"مريم", "maryam"}},
		family: []name{{"الحداد", "alhaddad"}, {"النجار", "alnajjar"}, {"منصور", "mansour"}, {"الخوري", "alkhoury"}},
	},
	{ // Hebrew, right to left
		given:  []name{{"נועה", "noa"}, {"איתן", "eitan"}, {"שירה", "shira"}, {"יונתן", "yonatan"}, {"תמר", "tamar"}},
		family: []name{{"כהן", "cohen"}, {"לוי", "levi"}, {"מזרחי", "mizrahi"}, {"פרידמן", "friedman"}},
	},
	{ // Hindi
		given:  []name{{"प्रिया", "priya"}, {"अर्जुन", "arjun"}, {"लक्ष्मी", "lakshmi"}, {"विक्रम", "vikram"}, {"श्रुति", "shruti"}},
		family: []name{{"शर्मा", "sharma"}, {"त्रिपाठी", "tripathi"}, {"चौहान", "chauhan"}, {"श्रीवास्तव", "srivastava"}},
	},
	{ // Tamil
		given:  []name{{"கவிதா", "kavitha"}, {"முருகன்", "murugan"}, {"செல்வி", "selvi"}, {"இளங்கோ", "ilango"}, {"மீனாட்சி", "meenakshi"}},
		family: []name{{"சுப்பிரமணியம்", "subramaniam"}, {"ராமசாமி", "ramasamy"}, {"பழனிசாமி", "palanisamy"}, {"நடராஜன்", "natarajan"}},
	},
	{ // Thai
		given:  []name{{"สมชาย", "somchai"}, {"นภัสสร", "napatsorn"}, {"กิตติ", "kitti"}, {"พิมพ์ใจ", "pimjai"}, {"ธนวัฒน์", "thanawat"}},
		family: []name{{"ศรีสุข", "srisuk"}, {"วงศ์สว่าง", "wongsawang"}, {"ทองดี", "thongdee"}, {"รุ่งเรือง", "rungrueang"}},
	},
	{ // Amharic
		given:  []name{{"አበበ", "abebe"}, {"ትዕግስት", "tigist"}, {"ዮሐንስ", "yohannes"}, {"ሰላማዊት", "selamawit"}, {"ገብረ", "gebre"}},
		family: []name{{"ተስፋዬ", "tesfaye"}, {"ከበደ", "kebede"}, {"ወልደማርያም", "woldemariam"}, {"ኃይሌ", "haile"}},
	},
	{ // Chinese, traditional and simplified
		given:  []name{{"曉明", "xiaoming"}, {"雅婷", "yating"}, {"建国", "jianguo"}, {"丽华", "lihua"}, {"志強", "zhiqiang"}},
		family: []name{{"歐陽", "ouyang"}, {"张", "zhang"}, {"陳", "chen"}, {"刘", "liu"}},
	},
	{ // Japanese: kanji, hiragana and katakana; the last family name is written with a character outside the basic plane
		given:  []name{{"さくら", "sakura"}, {"健太", "kenta"}, {"美咲", "misaki"}, {"リョウ", "ryo"}, {"陽菜", "hina"}},
		family: []name{{"渡邉", "watanabe"}, {"高橋", "takahashi"}, {"斎藤", "saito"}, {"𠮷田", "yoshida"}},
	},
	{ // Korean
		given:  []name{{"서연", "seoyeon"}, {"민준", "minjun"}, {"지우", "jiwoo"}, {"도윤", "doyun"}, {"하은", "haeun"}},
		family: []name{{"김", "kim"}, {"박", "park"}, {"최", "choi"}, {"황보", "hwangbo"}},
	},
}
